"""The ``/v1`` endpoints."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from serving.http.admission import Admission
from serving.http.body import idempotency_key, read_body
from serving.http.documentation import TICKET_EXAMPLE, BatchReply, BatchRequest, TicketHistory, reads, replies
from serving.http.responses import as_problem
from serving.intake import read_json, read_ticket
from serving.keys import KeyRing
from serving.problems import FieldError, ProblemError, describe, field_name, problem_bytes
from serving.service import Submission, TriageService
from serving.settings import BATCH_LIMIT, Settings
from serving.storage.ledger import Stored, Verdict
from triage.decision import Decision
from triage.ticket import Ticket

_log = structlog.get_logger("fenzhen.v1")
_LONGEST_DECISION_ID = 64
_bearer = HTTPBearer(auto_error=False, description="A key from 'fenzhen keys create NAME'.")


@dataclass(frozen=True, slots=True)
class Counter:
    """What the endpoints work with; lives in ``app.state.counter``."""

    settings: Settings
    service: TriageService
    admission: Admission
    keys: KeyRing


async def caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """The name of the caller's key, or ``""`` on a server without keys; raises ``ProblemError`` 401."""
    keys = _counter(request).keys
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


router = APIRouter(prefix="/v1", tags=["triage"])
Caller = Annotated[str, Depends(caller)]


@router.post(
    "/triage",
    summary="Triage one complaint",
    responses=replies(Decision, 400, 401, 413, 415, 422, 429, 500, 503),
    openapi_extra=reads(Ticket, TICKET_EXAMPLE),
)
async def triage(request: Request, caller: Caller) -> Response:
    """The decision about one ticket. A 200 means that it is on disk."""
    counter = _counter(request)
    key = idempotency_key(request)
    ticket = read_ticket(read_json(await read_body(request, counter.settings.max_body_bytes)))
    with counter.admission.admit():
        return _json(await _answer(counter, ticket, key, caller))


@router.post(
    "/triage/batch",
    summary=f"Triage up to {BATCH_LIMIT} complaints",
    responses=replies(BatchReply, 400, 401, 413, 415, 422, 429, 500, 503),
    openapi_extra=reads(BatchRequest, {"tickets": [TICKET_EXAMPLE, {"text": "快递三天没动,客服说再等等"}]}),
)
async def triage_batch(request: Request, caller: Caller) -> Response:
    """One result per ticket, in order: a bad ticket never fails its neighbours. Counts as its number of tickets."""
    counter = _counter(request)
    key = idempotency_key(request)
    body = await read_body(request, counter.settings.max_batch_bytes)
    tickets = _batch(await asyncio.to_thread(read_json, body))
    with counter.admission.admit(len(tickets)):
        results = await asyncio.gather(
            *(_item(counter, i, raw, f"{key}#{i}" if key else None, caller) for i, raw in enumerate(tickets))
        )
    return _json(b'{"results":[%s]}' % b",".join(results))


@router.get("/decisions/{decision_id}", summary="Read a decision", responses=replies(Decision, 401, 404, 422, 500, 503))
async def decision(request: Request, decision_id: str, caller: Caller) -> Response:
    """The decision exactly as it was stored."""
    if len(decision_id) > _LONGEST_DECISION_ID or not decision_id.isascii() or not decision_id.isprintable():
        expected = f"at most {_LONGEST_DECISION_ID} printable ASCII characters"
        error = FieldError(field="decision_id", got=describe(decision_id), expected=expected)
        raise ProblemError(422, "invalid-request", "This cannot be the id of a decision.", [error])
    found = await asyncio.to_thread(_counter(request).service.decision, decision_id)
    return _json(_there(found, "decision"))


@router.get(
    "/tickets/{source}/{ticket_id:path}",
    summary="Read all decisions about a ticket",
    responses=replies(TicketHistory, 401, 404, 422, 500, 503),
)
async def ticket_history(request: Request, source: str, ticket_id: str, caller: Caller) -> Response:
    """Every revision of a ticket with its decision, newest last. Both parts may hold slashes, as %2F in the source."""
    source, ticket_id = _ticket_address(request)
    read_ticket({"text": "-", "source": source, "ticket_id": ticket_id})  # names no ticket can have are a 422
    found = await asyncio.to_thread(_counter(request).service.history, source, ticket_id)
    return _json(_there(found, "ticket"))


async def _answer(counter: Counter, ticket: Ticket, key: str | None, caller: str) -> bytes:
    service, run = counter.service, counter.admission.run

    def decide() -> tuple[Submission, Stored | Verdict]:
        submission = service.submission(ticket, key, caller)
        return submission, service.find_or_decide(submission)

    submission, outcome = await run(decide)
    stored = await asyncio.wrap_future(service.store(outcome)) if isinstance(outcome, Verdict) else outcome
    return service.reply(submission, stored)


async def _item(counter: Counter, index: int, raw: Any, key: str | None, caller: str) -> bytes:
    try:
        reply = await _answer(counter, read_ticket(raw), key, caller)
    except Exception as error:
        problem = as_problem(error).problem
        if problem.status >= 500:
            _log.error("ticket of a batch failed", exc_info=error)
        return b'{"index":%d,"status":%d,"problem":%s}' % (index, problem.status, problem_bytes(problem))
    return b'{"index":%d,"status":200,"decision":%s}' % (index, reply)


def _batch(raw: Any) -> list[Any]:
    if not isinstance(raw, dict) or not isinstance(raw.get("tickets"), list):
        got = describe(raw["tickets"] if isinstance(raw, dict) and "tickets" in raw else raw)
        raise _invalid_batch("tickets", got, "an object with an array of tickets in the field tickets")
    for name in raw.keys() - {"tickets"}:
        raise _invalid_batch(field_name(name), describe(raw[name]), "no field but tickets")
    tickets: list[Any] = raw["tickets"]
    if not 1 <= len(tickets) <= BATCH_LIMIT:
        raise _invalid_batch("tickets", describe(tickets), f"1 to {BATCH_LIMIT} tickets")
    return tickets


def _invalid_batch(field: str, got: str, expected: str) -> ProblemError:
    error = FieldError(field=field, got=got, expected=expected)
    return ProblemError(422, "invalid-batch", "The batch is invalid: see errors. Nothing was stored.", [error])


def _ticket_address(request: Request) -> tuple[str, str]:
    # The decoded path no longer tells a slash inside the source from the one after it.
    raw = request.scope.get("raw_path") or request.url.path.encode()
    source, _, ticket_id = raw.partition(b"?")[0].partition(b"/tickets/")[2].partition(b"/")
    return _unquoted(source), _unquoted(ticket_id)


def _unquoted(part: bytes) -> str:
    return unquote_to_bytes(part).decode("utf-8", "surrogateescape")


def _there(found: bytes | None, what: str) -> bytes:
    if found is None:
        raise ProblemError(404, "not-found", f"No such {what}.")
    return found


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _counter(request: Request) -> Counter:
    counter = request.app.state.counter
    assert isinstance(counter, Counter)
    return counter
