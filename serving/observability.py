"""Structured logs and metrics. Neither ever carries a text, an identifier or the message of an exception."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from triage.decision import Decision

_STAGE_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)


class Metrics:
    """The service's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._stages = Histogram(
            "fenzhen_stage_seconds",
            "Time per ticket and stage.",
            ["stage"],
            buckets=_STAGE_BUCKETS,
            registry=self.registry,
        )
        self._decisions = Counter(
            "fenzhen_decisions", "New decisions.", ["primary_type", "tier", "abstained"], registry=self.registry
        )
        self.replays = Counter("fenzhen_replays", "Tickets answered with a stored decision.", registry=self.registry)
        self.refused = Counter("fenzhen_refused", "Tickets refused because the queue was full.", registry=self.registry)
        self.in_flight = Gauge("fenzhen_in_flight", "Tickets accepted and not yet answered.", registry=self.registry)
        self.requests = Histogram(
            "fenzhen_request_seconds",
            "Time per request.",
            ["method", "route", "status"],
            buckets=_STAGE_BUCKETS,
            registry=self.registry,
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Observe the time the block takes as stage ``name``: prepare, predict, decide or store."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.observe(name, time.perf_counter() - started)

    def observe(self, stage: str, seconds: float) -> None:
        """Observe ``seconds`` spent on one ticket in ``stage``."""
        self._stages.labels(stage).observe(seconds)

    def decided(self, decision: Decision) -> None:
        """Count one new decision."""
        kind = decision.primary_type or "none"
        self._decisions.labels(kind, decision.route.tier, str(decision.abstained).lower()).inc()


def configure_logging(level: str) -> None:
    """Send every log line of this process, our own and the libraries', to standard error as JSON."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        safe_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def safe_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace ``exc_info`` by type and place: the message and the locals of an exception may hold a ticket."""
    given = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = given[1]
    elif given is True:
        given = sys.exc_info()[1]
    if isinstance(given, BaseException):
        event["exception"] = type(given).__qualname__
        event["trace"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(given.__traceback__)]
    return event
