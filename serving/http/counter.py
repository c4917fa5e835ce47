"""What every ``/v1`` endpoint stands on: who calls, what it works with, which address was meant, how it answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from serving.customers import Customers
from serving.drafts import Drafts
from serving.http.admission import Admission
from serving.keys import KeyRing
from serving.problems import ProblemError
from serving.promises import Promises
from serving.service import TriageService
from serving.settings import Settings

Found = TypeVar("Found")

_bearer = HTTPBearer(auto_error=False, description="A key from 'fenzhen keys create NAME'.")


@dataclass(frozen=True, slots=True)
class Counter:
    """What the endpoints work with; lives in ``app.state.counter``."""

    settings: Settings
    service: TriageService
    customers: Customers
    drafts: Drafts
    promises: Promises
    admission: Admission
    keys: KeyRing


def counter_of(request: Request) -> Counter:
    """The counter that ``request`` came to."""
    counter = request.app.state.counter
    assert isinstance(counter, Counter)
    return counter


async def caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """The name of the caller's key, or ``""`` on a server without keys; raises ``ProblemError`` 401."""
    keys = counter_of(request).keys
    token = credentials.credentials if credentials else None
    if keys.needs_refresh(token):
        await asyncio.to_thread(keys.refresh)
    if not keys.closed:
        return ""
    name = keys.caller(token)
    if name is None:
        challenge = {"WWW-Authenticate": 'Bearer realm="fenzhen"'}
        detail = (
            "This server needs a valid key: send 'Authorization: Bearer fz_…'. 'fenzhen keys create NAME' makes one."
        )
        raise ProblemError(401, "unauthorized", detail, headers=challenge)
    return name


Caller = Annotated[str, Depends(caller)]


def address_after(collection: str, request: Request) -> tuple[str, str]:
    """``(source, id)`` in the address ``/v1/{collection}/{source}/{id}``; both may hold slashes."""
    # The decoded path no longer tells a slash inside the source from the one after it.
    raw = request.scope.get("raw_path") or request.url.path.encode()
    source, _, name = raw.partition(b"?")[0].partition(f"/{collection}/".encode())[2].partition(b"/")
    return _unquoted(source), _unquoted(name)


def there(found: Found | None, what: str) -> Found:
    """``found``; raises ``ProblemError`` 404 for nothing."""
    if found is None:
        raise ProblemError(404, "not-found", f"No such {what}.")
    return found


def json_reply(content: bytes) -> Response:
    """A successful answer."""
    return Response(content, media_type="application/json")


def _unquoted(part: bytes) -> str:
    return unquote_to_bytes(part).decode("utf-8", "surrogateescape")
