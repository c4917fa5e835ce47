"""The endpoints of replies: drafts are checked, and what sent ones promised is kept."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from fastapi import APIRouter, Request, Response

from serving.drafts import Draft
from serving.http.body import read_body
from serving.http.counter import Caller, counter_of, json_reply, there
from serving.http.documentation import reads, replies
from serving.intake import read_json, read_model
from serving.promises import TrackedPromise
from triage.reply.lint import LintReport

_EXAMPLE: dict[str, Any] = {
    "decision_id": "0b6f1f9e-6c58-5a0e-9d5c-6a8f2d1c3e4b",
    "draft": "让您打了三次电话都没有结果，非常抱歉。扣款记录我已调出，明天18点前我给您回电说明核查情况。",
    "sent": True,
}
_PROMISE_ID = re.compile(r"[0-9]{1,9}")

router = APIRouter(prefix="/v1", tags=["replies"])


@router.post(
    "/reply/lint",
    summary="Check a draft reply",
    responses=replies(LintReport, 400, 401, 404, 413, 415, 422, 500, 503),
    openapi_extra=reads(Draft, _EXAMPLE, idempotent=False),
)
async def lint(request: Request, caller: Caller) -> Response:
    """What is wrong with a draft as the answer to a decision, and what it promises by when. With `sent` the promises
    become deadlines of the ticket; what is open and not yet due is not promised a second time."""
    counter = counter_of(request)
    draft = read_model(Draft, read_json(await read_body(request, counter.settings.max_body_bytes)), "draft")
    report = await asyncio.to_thread(counter.drafts.check, draft)
    return json_reply(there(report, "decision").model_dump_json().encode())


@router.post(
    "/promises/{promise_id}/kept",
    summary="Say that a promise was kept",
    responses=replies(TrackedPromise, 401, 404, 500, 503),
)
async def keep(request: Request, promise_id: str, caller: Caller) -> Response:
    """The promise, which is open no longer."""
    keep_it = counter_of(request).promises.keep
    kept = await asyncio.to_thread(keep_it, int(promise_id)) if _PROMISE_ID.fullmatch(promise_id) else None
    return json_reply(there(kept, "open promise").model_dump_json().encode())
