"""From bytes to a validated ticket, or to a problem that names the field and the limit."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from serving.problems import FieldError, ProblemError, describe, field_name
from triage.ticket import MAX_CONTACTS, Ticket

Model = TypeVar("Model", bound=BaseModel)

_DATETIME = "ISO 8601 with an offset, such as 2026-01-31T09:30:00+08:00"
_RANGES = {"previous_contacts": (0, MAX_CONTACTS)}
_EXPECTED = {
    "missing": "a value: this field is required",
    "string_type": "a string",
    "string_unicode": "valid Unicode without lone surrogates (U+D800–U+DFFF)",
    "string_pattern_mismatch": "a visible string without control characters",
    "dict_type": "an object",
    "model_type": "an object",
    "timezone_aware": _DATETIME,
    "int_type": "a whole number",
    "bool_type": "true or false",
    "literal_error": "some of: vip, vulnerable",
    "tuple_type": "an array",
}


def read_json(body: bytes) -> Any:
    """The JSON value in ``body``; raises ``ProblemError`` for anything but one well-formed UTF-8 JSON document."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"bytes that are not UTF-8 at offset {error.start}", "UTF-8") from None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_not_json)
    except json.JSONDecodeError as error:
        got = f"a syntax error at line {error.lineno}, column {error.colno}"
        raise _malformed(got, "one JSON document") from None
    except RecursionError:
        raise _malformed("JSON nested too deeply", "at most 16 levels") from None
    except ValueError:
        raise _malformed("a number with thousands of digits", "numbers of at most 64 bits") from None


def read_ticket(raw: Any) -> Ticket:
    """The ticket in a parsed JSON value; raises ``ProblemError`` 422 that names every field that is wrong."""
    return read_model(Ticket, raw, "ticket")


def read_model(model: type[Model], raw: Any, what: str) -> Model:
    """The ``model`` in a parsed JSON value; raises ``ProblemError`` 422 ``invalid-{what}`` like ``read_ticket``."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    errors = list({fault.field: fault for fault in (_field_error(model, fault) for fault in faults)}.values())
    raise ProblemError(
        422, f"invalid-{what}", f"The {what} is invalid: see errors. Nothing was stored.", errors
    ) from None


def _field_error(model: type[BaseModel], fault: Any) -> FieldError:
    kind, context = fault["type"], fault.get("ctx") or {}
    if kind == "value_error":
        expected = str(context["error"]).removeprefix("expected ")  # our own validators: constant sentences
    elif kind == "string_too_long":
        expected = f"at most {context['max_length']:,} characters"
    elif kind == "string_too_short":
        expected = f"at least {context['min_length']} character"
    elif kind.startswith(("greater_than", "less_than")):
        expected = "a number from {} to {}".format(*_RANGES.get(fault["loc"][0], (0, "any size")))
    elif kind.startswith("decimal"):
        expected = "yuan with at most 2 decimals and 14 digits, such as 1280.50"
    elif kind == "extra_forbidden":
        expected = f"one of the known fields: {', '.join(model.model_fields)}"
    elif kind.startswith("datetime"):
        expected = _DATETIME
    else:
        expected = _EXPECTED.get(kind, "a value that fits the schema in /openapi.json")
    field = field_name(fault["loc"][0]) if fault["loc"] else "body"
    return FieldError(field=field, got="nothing" if kind == "missing" else describe(fault["input"]), expected=expected)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = counts.most_common(1)[0][0]
        error = FieldError(field=field_name(twice), got="the same field more than once", expected="each field once")
        raise ProblemError(400, "malformed-json", "A field is given more than once. Nothing was stored.", [error])
    return made


def _not_json(constant: str) -> NoReturn:
    raise _malformed(constant, "a number: JSON has no NaN or Infinity")


def _malformed(got: str, expected: str) -> ProblemError:
    error = FieldError(field="body", got=got, expected=expected)
    return ProblemError(400, "malformed-json", f"The body is not JSON: {got}. Nothing was stored.", [error])
