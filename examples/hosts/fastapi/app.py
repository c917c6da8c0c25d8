"""A sending API in FastAPI: programs send with an API key, people look with a session.

    TENANTRY_STORE=accounts uvicorn --app-dir examples/hosts/fastapi app:app
"""

import logging
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import tenantry
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from tenantry import aio


class LogIn(BaseModel):
    email: str
    password: str
    code: str | None = None


class Message(BaseModel):
    to: list[str] = Field(min_length=1, max_length=1000)
    subject: str
    text: str


class Batch(BaseModel):
    messages: list[Message] = Field(min_length=1, max_length=100)


@asynccontextmanager
async def store(app: FastAPI) -> AsyncIterator[None]:
    async with aio.open(os.environ["TENANTRY_STORE"], create=False) as t:
        app.state.t = t
        app.state.senders = {}
        yield


app = FastAPI(title="A mail API", lifespan=store)


@app.exception_handler(tenantry.TenantryError)
async def refused(request: Request, error: tenantry.TenantryError) -> JSONResponse:
    """Whatever tenantry refuses, in one place. A defect of the store is the host's, and is not shown."""
    if error.http_status < 500:
        return JSONResponse({"code": error.code, "message": str(error), "field": error.field}, error.http_status)
    logging.error("%s: %s", request.url.path, error, exc_info=error)
    return JSONResponse({"code": "unavailable"}, error.http_status)


def address(request: Request) -> str | None:
    return request.client.host if request.client else None


def token(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    return credentials.credentials


Token = Annotated[str, Depends(token)]


@app.post("/sessions", status_code=201)
async def log_in(request: Request, who: LogIn) -> dict[str, Any]:
    t: aio.Tenantry = request.app.state.t
    session = await t.sessions.create(email=who.email, password=who.password, code=who.code, ip=address(request))
    return {"token": session.token, "user": session.user, "expires_at_ms": session.expires_at_ms}


@app.get("/accounts/{account}/usage")
async def usage(request: Request, token: Token, account: str) -> dict[str, Any]:
    """What the account has used: for a user who may see it, which tenantry checks."""
    t: aio.Tenantry = request.app.state.t
    me = t.in_session(token=token, account=account, ip=address(request))
    windows = (await me.usage.get(account=account)).windows
    return {each.limit: {"used": each.used, "of": each.value, "resets_at_ms": each.resets_at_ms} for each in windows}


async def prepared(request: Request, token: str) -> aio.Sender:
    """The handle of this key from this address. It sees every later change of the key, its user and the account."""
    senders: dict[tuple[str, str | None], aio.Sender] = request.app.state.senders
    key = (token, address(request))
    if key not in senders:
        if len(senders) >= 10_000:
            senders.clear()
        t: aio.Tenantry = request.app.state.t
        senders[key] = await t.with_api_key(token=token, ip=key[1]).sender()
    return senders[key]


@app.post("/messages")
async def send(request: Request, token: Token, batch: Batch) -> JSONResponse:
    """Each message goes out to all of its recipients or to none. 207 when some go out, and each refusal has its own status."""
    gate = await prepared(request, token)
    results = [await submit(gate, message) for message in batch.messages]
    refusals = [result["refused"] for result in results if "refused" in result]
    if not refusals:
        return JSONResponse({"results": results})
    headers = {}
    if times := [refusal["retry_at_ms"] for refusal in refusals if refusal["retry_at_ms"]]:
        headers["Retry-After"] = str(max(1, min(times) // 1000 - int(time.time())))
    # The last one knows most: a key may have been deleted meanwhile.
    status = 207 if len(refusals) < len(results) else refusals[-1]["status"]
    return JSONResponse({"results": results}, status, headers)


async def submit(gate: aio.Sender, message: Message) -> dict[str, Any]:
    # Mostly from memory: then no other request comes in between.
    decision = await gate.decide(len(message.to))
    if why := decision.refusal:
        limit = why.limit.name if why.limit else None
        return {"refused": {"code": why.code, "status": why.http_status, "limit": limit, "retry_at_ms": why.retry_at_ms}}
    # A real host puts the message into its queue here.
    return {"queued": uuid.uuid4().hex}
