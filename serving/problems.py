"""Errors as the caller sees them: RFC 9457 problem details, never exception text, never the caller's content."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel, Field

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]{0,63}")


class FieldError(BaseModel):
    """One thing that is wrong: ``got`` describes kind and size of the value, never its content."""

    field: str
    got: str
    expected: str


class Problem(BaseModel):
    """Body of every reply that is not a success."""

    type: str = Field(examples=["urn:fenzhen:problem:invalid-ticket"])
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


class ProblemError(Exception):
    """Raised anywhere below the API to answer with a problem."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        errors: list[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.problem = Problem(
            type=f"urn:fenzhen:problem:{kind}",
            title=kind.replace("-", " ").capitalize(),
            status=status,
            detail=detail,
            errors=errors or [],
        )
        self.headers = dict(headers or {})


def field_name(name: object) -> str:
    """``name`` when it looks like the name of a field; a name made of digits or prose may itself be personal data."""
    text = str(name)
    return text if _PLAIN_NAME.fullmatch(text) else f"(a name of {len(text)} characters)"


def describe(value: object) -> str:
    """Kind and size of a JSON value, without its content."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return f"a string of {len(value):,} characters"
        case int() | float():
            return "a number"
        case list():
            return f"an array of {len(value):,} items"
        case dict():
            return f"an object of {len(value):,} fields"
        case _:
            return "a value of another kind"


def problem_bytes(problem: Problem) -> bytes:
    """``problem`` as JSON."""
    return problem.model_dump_json(exclude_defaults=True).encode()
