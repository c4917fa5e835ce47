"""The door: a bounded number of tickets inside at once, everybody else is told when to come back."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from serving.observability import Metrics
from serving.problems import ProblemError

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST_RETRY_SECONDS = 60
_SMOOTHING = 0.05


class Admission:
    """Counts tickets in and out and runs their work in ``workers`` threads. Used from the event loop only."""

    def __init__(self, limit: int, workers: int, metrics: Metrics) -> None:
        self._limit = limit
        self._workers = workers
        self._metrics = metrics
        self._inside = 0
        self._seconds_per_ticket = 0.01
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="fenzhen-worker")

    @contextmanager
    def admit(self, tickets: int = 1) -> Iterator[None]:
        """Hold places for ``tickets`` while the block runs; raises ``ProblemError`` 429 when too few are free."""
        free = self._limit - self._inside
        if tickets > free:
            self._metrics.refused.inc(tickets)
            wait = math.ceil(self._inside * self._seconds_per_ticket / self._workers)
            detail = (
                f"The queue has room for {free} of {self._limit} tickets, this request brings {tickets}. Retry later."
            )
            headers = {"Retry-After": str(min(max(wait, 1), _LONGEST_RETRY_SECONDS))}
            raise ProblemError(429, "queue-full", detail, headers=headers)
        self._occupy(tickets)
        try:
            yield
        finally:
            self._occupy(-tickets)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``function`` returns, run in a worker thread, first come first served."""

        def timed() -> tuple[R, float]:
            started = time.perf_counter()
            return function(*args, **kwargs), time.perf_counter() - started

        result, seconds = await asyncio.get_running_loop().run_in_executor(self._executor, timed)
        self._seconds_per_ticket += _SMOOTHING * (seconds - self._seconds_per_ticket)
        return result

    def close(self) -> None:
        """Finish what is running."""
        self._executor.shutdown(wait=True)

    def _occupy(self, tickets: int) -> None:
        self._inside += tickets
        self._metrics.in_flight.set(self._inside)
