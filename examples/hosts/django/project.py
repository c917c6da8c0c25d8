"""A website in Django: people log in, invite others, accept invitations, and send.

    TENANTRY_STORE=sqlite:accounts.db SECRET_KEY=... gunicorn -w 4 project:application
"""

import functools
import json
import logging
import os
import uuid
from collections.abc import Callable
from typing import Any

import tenantry
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.template import Context, Engine
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "project.Refusals"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["SECRET_KEY"],
    # A real site is reached by HTTPS alone: SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE are on there.
    SESSION_COOKIE_SECURE=False,
)

PAGE = """<!doctype html><title>{{ title }}</title><h1>{{ title }}</h1><p>{{ text }}</p>{% if fields %}<form method="post">
<input type="hidden" name="csrfmiddlewaretoken" value="{{ csrf }}">{% for name, value in fields %}
<input name="{{ name }}" value="{{ value }}" type="{% if name == 'password' %}password{% elif value %}hidden{% else %}text{% endif %}">
{% endfor %}<button>Continue</button></form>{% endif %}"""


# Each of gunicorn's processes opens it as it imports this file, and all have the same accounts.
store = tenantry.open(os.environ["TENANTRY_STORE"], create=False)


class Refusals:
    """Whatever tenantry refuses, in one place. A defect of the store is the host's, and is not shown."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, tenantry.TenantryError):
            return None
        if error.http_status < 500:
            return JsonResponse({"code": error.code, "message": str(error)}, status=error.http_status)
        logging.error("%s: %s", request.path, error, exc_info=error)
        return JsonResponse({"code": "unavailable"}, status=error.http_status)


def page(request: HttpRequest, title: str, text: str = "", **fields: str) -> HttpResponse:
    shown = {"title": title, "text": text, "fields": list(fields.items()), "csrf": get_token(request)}
    answer = HttpResponse(Engine().from_string(PAGE).render(Context(shown)))
    # Links with tokens are told to nobody.
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def token_of(request: HttpRequest) -> str:
    """The token of the session. Without one it is nobody's, and is refused like one that has ended."""
    return request.COOKIES.get("session") or "none"


@require_http_methods(["GET", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return page(request, "Log in", email="", password="")
    session = store.sessions.create(
        email=request.POST.get("email", ""), password=request.POST.get("password", ""), ip=request.META["REMOTE_ADDR"]
    )
    answer = HttpResponse(status=204)
    secure = settings.SESSION_COOKIE_SECURE
    answer.set_cookie("session", session.token, httponly=True, samesite="Lax", secure=secure, max_age=86_400)
    return answer


@require_http_methods(["GET", "POST"])
def accept(request: HttpRequest) -> HttpResponse:
    """The link of an invitation. Whoever has it reads the mail of that address; an existing user keeps their password."""
    token = (request.GET if request.method == "GET" else request.POST).get("token", "")
    offer = store.invitations.look_up(token=token)
    if request.method == "GET":
        names = ", ".join(account.name for account in offer.accounts)
        more = {} if offer.user else {"password": ""}
        return page(request, f"Join {names}", f"You will log in as {offer.email}.", token=token, **more)
    accepted = store.invitations.accept(token=token)
    if accepted.created:
        try:
            store.passwords.set(user=accepted.user, password=request.POST.get("password", ""))
        except (tenantry.InvalidArgument, tenantry.Refused) as error:
            store.users.request_password_reset(user=accepted.user)
            return page(request, "Nearly there", f"{error} We have sent you a link with which you choose another password.")
    return HttpResponseRedirect("/login")


@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """The link with which a user sets a new password."""
    if request.method == "GET":
        return page(request, "Choose a password", token=request.GET.get("token", ""), password="")
    store.passwords.set(token=request.POST.get("token", ""), password=request.POST.get("password", ""))
    return HttpResponseRedirect("/login")


@require_POST
def invite(request: HttpRequest, account: str) -> HttpResponse:
    """As the user who is logged in: tenantry refuses it unless they may invite to this account with this role."""
    me = store.in_session(token=token_of(request), account=account, ip=request.META["REMOTE_ADDR"])
    done = me.invitations.create(addresses=request.POST["addresses"], account=account, role=request.POST["role"])
    refused = {each.address: each.problem.code for each in done.results if each.problem}
    return JsonResponse({"invited": len(done.results) - len(refused), "refused": refused})


@functools.lru_cache(maxsize=10_000)
def prepared(user: str, account: str, ip: str) -> tenantry.Sender:
    """Prepared once. It sees every later change of the account, the user and their role."""
    return store.acting(user=user, account=account, ip=ip).sender()


@require_POST
def send(request: HttpRequest, account: str) -> HttpResponse:
    """A list of messages, each of which goes out to all of its recipients or to none."""
    ip = request.META["REMOTE_ADDR"]
    proof = store.sessions.check(token=token_of(request), account=account, ip=ip)
    gate = prepared(proof.user, account, ip)
    results: list[dict[str, Any]] = []
    statuses: list[int] = []
    for message in json.loads(request.body)["messages"]:
        decision = gate.decide(len(message["to"]))
        if why := decision.refusal:
            results.append({"refused": why.code, "retry_at_ms": why.retry_at_ms})
            statuses.append(why.http_status)
        else:
            # A real host puts the message into its queue here.
            results.append({"queued": uuid.uuid4().hex})
            statuses.append(200)
    return JsonResponse({"results": results}, status=200 if 200 in statuses else statuses[-1])


urlpatterns = [
    path("login", log_in),
    path("accept", accept),
    path("password", password),
    path("accounts/<str:account>/invitations", invite),
    path("accounts/<str:account>/messages", send),
]
application = get_wsgi_application()
