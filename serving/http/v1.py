"""The endpoints of triage: tickets in, decisions out, now and later."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response

from serving.http.body import idempotency_key, read_body
from serving.http.counter import Caller, Counter, address_after, counter_of, json_reply, there
from serving.http.documentation import TICKET_EXAMPLE, BatchReply, BatchRequest, TicketHistory, reads, replies
from serving.http.responses import as_problem
from serving.intake import read_json, read_ticket
from serving.problems import FieldError, ProblemError, describe, field_name, problem_bytes
from serving.service import Submission
from serving.settings import BATCH_LIMIT
from serving.storage.ledger import Stored, Verdict
from triage.decision import Decision
from triage.ticket import Ticket

_log = structlog.get_logger("fenzhen.v1")
_LONGEST_DECISION_ID = 64

router = APIRouter(prefix="/v1", tags=["triage"])


@router.post(
    "/triage",
    summary="Triage one complaint",
    responses=replies(Decision, 400, 401, 413, 415, 422, 429, 500, 503),
    openapi_extra=reads(Ticket, TICKET_EXAMPLE),
)
async def triage(request: Request, caller: Caller) -> Response:
    """The decision about one ticket. A 200 means that it is on disk."""
    counter = counter_of(request)
    key = idempotency_key(request)
    ticket = read_ticket(read_json(await read_body(request, counter.settings.max_body_bytes)))
    with counter.admission.admit():
        return json_reply(await _answer(counter, ticket, key, caller))


@router.post(
    "/triage/batch",
    summary=f"Triage up to {BATCH_LIMIT} complaints",
    responses=replies(BatchReply, 400, 401, 413, 415, 422, 429, 500, 503),
    openapi_extra=reads(BatchRequest, {"tickets": [TICKET_EXAMPLE, {"text": "快递三天没动,客服说再等等"}]}),
)
async def triage_batch(request: Request, caller: Caller) -> Response:
    """One result per ticket, in order: a bad ticket never fails its neighbours. Counts as its number of tickets."""
    counter = counter_of(request)
    key = idempotency_key(request)
    body = await read_body(request, counter.settings.max_batch_bytes)
    tickets = _batch(await asyncio.to_thread(read_json, body))
    with counter.admission.admit(len(tickets)):
        results = await asyncio.gather(
            *(_item(counter, i, raw, f"{key}#{i}" if key else None, caller) for i, raw in enumerate(tickets))
        )
    return json_reply(b'{"results":[%s]}' % b",".join(results))


@router.get("/decisions/{decision_id}", summary="Read a decision", responses=replies(Decision, 401, 404, 422, 500, 503))
async def decision(request: Request, decision_id: str, caller: Caller) -> Response:
    """The decision exactly as it was stored."""
    if len(decision_id) > _LONGEST_DECISION_ID or not decision_id.isascii() or not decision_id.isprintable():
        expected = f"at most {_LONGEST_DECISION_ID} printable ASCII characters"
        error = FieldError(field="decision_id", got=describe(decision_id), expected=expected)
        raise ProblemError(422, "invalid-request", "This cannot be the id of a decision.", [error])
    found = await asyncio.to_thread(counter_of(request).service.decision, decision_id)
    return json_reply(there(found, "decision"))


@router.get(
    "/tickets/{source}/{ticket_id:path}",
    summary="Read all decisions about a ticket, and the promises made on it",
    responses=replies(TicketHistory, 401, 404, 422, 500, 503),
)
async def ticket_history(request: Request, source: str, ticket_id: str, caller: Caller) -> Response:
    """Every revision of a ticket with its decision, newest last, and what was promised. Both parts may hold slashes,
    as %2F in the source."""
    source, ticket_id = address_after("tickets", request)
    read_ticket({"text": "-", "source": source, "ticket_id": ticket_id})  # names no ticket can have are a 422
    found = await asyncio.to_thread(counter_of(request).service.history, source, ticket_id)
    return json_reply(there(found, "ticket"))


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
