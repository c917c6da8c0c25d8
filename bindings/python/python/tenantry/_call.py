"""Turns a request into JSON text, and an answer into a dict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from . import _native
from ._errors import _invalid

_NOTHING: Mapping[str, object] = {}


def encode(value: Mapping[str, object]) -> str:
    """The value as JSON text, or `InvalidArgument`."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise _invalid("The request is nested too deeply; flatten it.") from None
    except (TypeError, ValueError) as error:
        raise _invalid(f"The request cannot be written as JSON ({error}).") from None


class Place:
    """Which store it is, and whether it is still open: for people who look at an object."""

    __slots__ = ("is_open", "path")

    def __init__(self, path: str) -> None:
        self.path = _native.shown_path(path)
        self.is_open = True

    def __repr__(self) -> str:
        return f"{self.path!r}, {'open' if self.is_open else 'closed'}"


class Caller:
    """A store together with the actor as whom its operations run."""

    __slots__ = ("_actor", "_place", "_store")

    def __init__(self, store: _native.Store, actor: str, place: Place) -> None:
        self._store = store
        self._actor = actor
        self._place = place

    def __repr__(self) -> str:
        return f"<tenantry.{type(self).__name__} {self._who()}{self._place!r}>"

    def _who(self) -> str:
        """Who the actor is, in words that hold no token."""
        return ""

    def call(self, operation: str, /, **request: object) -> dict[str, Any]:
        """Run any operation by its name in the catalogue, without the types of the methods of the namespaces."""
        return self._call(operation, request)

    def _call(
        self, operation: str, required: Mapping[str, object], optional: Mapping[str, object] = _NOTHING
    ) -> dict[str, Any]:
        present = {name: value for name, value in optional.items() if value is not None}
        answer = self._store.call(self._actor, operation, encode({**required, **present}))
        decoded: dict[str, Any] = json.loads(answer)
        return decoded


class Namespace:
    """The operations of one domain."""

    __slots__ = ("_call",)

    def __init__(self, caller: Caller) -> None:
        self._call = caller._call
