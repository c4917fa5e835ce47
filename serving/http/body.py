"""Reading a request's headers and body, within limits, before anything is parsed."""

from __future__ import annotations

import re

from fastapi import Request

from serving.problems import FieldError, ProblemError

_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,200}")


async def read_body(request: Request, limit: int) -> bytes:
    """The body of ``request``; raises ``ProblemError`` 415 unless it is JSON, 413 past ``limit`` bytes."""
    _check_media_type(request)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(f"{int(declared):,} bytes", limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(f"more than {limit:,} bytes", limit)
        chunks.append(chunk)
    return b"".join(chunks)


def idempotency_key(request: Request) -> str | None:
    """The ``Idempotency-Key`` header, or ``None``; raises ``ProblemError`` 422 when it is not usable."""
    given = request.headers.get("idempotency-key")
    if given is not None and not _IDEMPOTENCY_KEY.fullmatch(given):
        error = FieldError(
            field="Idempotency-Key",
            got=f"a header of {len(given):,} characters",
            expected="1 to 200 printable ASCII characters without spaces",
        )
        raise ProblemError(422, "invalid-request", "The Idempotency-Key header is not usable.", [error])
    return given


def _check_media_type(request: Request) -> None:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        raise _unsupported("Content-Type", "another media type or charset", "application/json in UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _unsupported("Content-Encoding", "an encoded body", "no Content-Encoding: send the JSON as it is")


def _unsupported(header: str, got: str, expected: str) -> ProblemError:
    error = FieldError(field=header, got=got, expected=expected)
    return ProblemError(415, "unsupported-media-type", f"The body must be sent as {expected}.", [error])


def _too_large(got: str, limit: int) -> ProblemError:
    error = FieldError(field="body", got=got, expected=f"at most {limit:,} bytes")
    # The rest of the body is not read: the connection cannot be used again.
    return ProblemError(
        413, "body-too-large", "The body is too large. Nothing was stored.", [error], {"Connection": "close"}
    )
