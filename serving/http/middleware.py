"""Around every request: the last catch, the access log line and the request metric."""

from __future__ import annotations

import time

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.responses import as_problem, problem_response
from serving.observability import Metrics

_log = structlog.get_logger("fenzhen.access")


class Boundary:
    """Answers every error with a problem and logs one line per request, by route and never by address."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            status = status or 499
        except Exception as error:
            answer = as_problem(error)
            if answer.problem.status >= 500:
                _log.error("request failed", exc_info=error, method=_method(scope), route=_route(scope))
            if not status:
                await problem_response(answer.problem, answer.headers)(scope, receive, watch)
        seconds = time.perf_counter() - started
        method, route = _method(scope), _route(scope)
        self._metrics.requests.labels(method, route, str(status)).observe(seconds)
        _log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 2))


def _method(scope: Scope) -> str:
    return (
        scope["method"] if scope["method"] in {"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"} else "other"
    )


def _route(scope: Scope) -> str:
    # The address itself may hold a customer's number, and as a metric label it would be unbounded.
    return getattr(scope.get("route"), "path", "unmatched")
