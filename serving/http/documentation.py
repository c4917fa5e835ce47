"""The OpenAPI document: written from the same models that validate, with examples that work."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from serving.customers import Forgotten, Picture
from serving.drafts import Draft
from serving.http.responses import MEDIA_TYPE
from serving.problems import Problem
from serving.promises import TrackedPromise
from serving.settings import BATCH_LIMIT
from triage.decision import Decision
from triage.reply.lint import LintReport
from triage.ticket import Ticket

_TEXT = "我在贵行的信用卡被重复扣款,打了三次客服电话都没人处理,再不退钱我就向银保监会投诉!"
TICKET_EXAMPLE: dict[str, Any] = {"text": _TEXT, "ticket_id": "T-20260131-0042", "source": "crm", "channel": "app"}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any name for this request: sent again with the same body it returns the same decision.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
_PROBLEMS = {
    400: "The body is not well-formed JSON in UTF-8.",
    401: "A key is needed, or the one sent is not valid.",
    404: "There is no such decision, ticket, customer or open promise.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "Something in the request is invalid: errors names each field and its limit.",
    429: "The queue is full; Retry-After says when to come back.",
    500: "A fault of the server.",
    503: "The database does not answer.",
}


class BatchRequest(BaseModel):
    """Several tickets at once; each is answered for itself."""

    model_config = ConfigDict(extra="forbid")

    tickets: list[Ticket] = Field(min_length=1, max_length=BATCH_LIMIT)


class BatchResult(BaseModel):
    """The answer to one ticket of a batch: a decision with status 200, or a problem."""

    index: int
    status: int
    decision: Decision | None = None
    problem: Problem | None = None


class BatchReply(BaseModel):
    """One result per ticket, in the order they came."""

    results: list[BatchResult]


class Revision(BaseModel):
    """What was decided about one version of a ticket's text."""

    revision: int = Field(ge=1)
    decided_at: str = Field(description="ISO 8601 in UTC.")
    decision: Decision


class TicketHistory(BaseModel):
    """Every decision about a ticket, newest last, and every promise made on it, in the order they were made."""

    source: str
    ticket_id: str
    revisions: list[Revision]
    promises: list[TrackedPromise]


class Health(BaseModel):
    """The state of the server; a server that is not ready answers with a problem."""

    status: Literal["ok", "ready"]


def reads(model: type[BaseModel], example: dict[str, Any], *, idempotent: bool = True) -> dict[str, Any]:
    """``openapi_extra`` of an operation that reads ``model`` from its body."""
    content = {"application/json": {"schema": _ref(model), "example": example}}
    extra: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    if idempotent:
        extra["parameters"] = [_IDEMPOTENCY_KEY]
    return extra


def replies(model: type[BaseModel], *problems: int) -> dict[int | str, dict[str, Any]]:
    """``responses`` of an operation that answers with ``model`` or one of ``problems``."""
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": str(model.__doc__), "content": {"application/json": {"schema": _ref(model)}}}
    }
    for status in problems:
        answers[status] = {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": _ref(Problem)}}}
    if 429 in answers:
        answers[429]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return answers


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of ``app``, made on first use."""
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        models = [(BatchRequest, "validation"), (Problem, "serialization"), (Health, "serialization")]
        models += [(BatchReply, "serialization"), (TicketHistory, "serialization")]
        models += [(Draft, "validation"), (LintReport, "serialization"), (TrackedPromise, "serialization")]
        models += [(Picture, "serialization"), (Forgotten, "serialization")]
        _, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
        document.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
        app.openapi_schema = document
    return app.openapi_schema


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
