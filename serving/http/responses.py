"""Problems as HTTP responses."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from serving.problems import Problem, ProblemError, problem_bytes

MEDIA_TYPE = "application/problem+json"


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """``problem`` as an HTTP response."""
    return Response(problem_bytes(problem), problem.status, dict(headers or {}), MEDIA_TYPE)


def as_problem(error: BaseException) -> ProblemError:
    """What the caller is told about ``error``: the problem it is, or a constant; the trace goes to the log."""
    match error:
        case ProblemError():
            return error
        case OperationalError() | InterfaceError() | PoolTimeout():
            return ProblemError(
                503, "database-unavailable", "The database does not answer.", headers={"Retry-After": "5"}
            )
        case _:
            return ProblemError(500, "internal-error", "The server failed to answer.")


def install(app: FastAPI) -> None:
    """Make the errors of the router problems; ``ProblemError`` is answered by the outer boundary."""

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        kind = status.phrase.lower().replace(" ", "-")
        detail = {
            404: "There is nothing at this address. See /openapi.json for what there is.",
            405: f"This address does not answer {request.method}. See /openapi.json for what it answers.",
        }.get(status, status.description or status.phrase)
        return problem_response(ProblemError(status, kind, detail).problem, error.headers)

    app.add_exception_handler(HTTPException, on_http)
