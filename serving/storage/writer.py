"""The one thread that writes decisions. Requests that wait for the disk at the same time share one commit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from sqlalchemy import Connection, Engine

Job = TypeVar("Job")
Result = TypeVar("Result")

_MOST_JOBS_PER_COMMIT = 256


class Writer(Generic[Job, Result]):
    """Runs ``write`` for each submitted job in a transaction; a result is handed out after its commit only."""

    def __init__(
        self, engine: Engine, write: Callable[[Connection, Job], Result], order: Callable[[Job], tuple[str, ...]]
    ) -> None:
        self._engine = engine
        self._write = write
        self._order = order  # the same in every server, so that two of them do not wait for each other's rows
        self._pending: queue.SimpleQueue[tuple[Job, Future[Result]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="fenzhen-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Future[Result]:
        """A future that is done when ``job`` is on disk, or holds the exception that kept it from there."""
        future: Future[Result] = Future()
        self._pending.put((job, future))
        return future

    def close(self) -> None:
        """Write what was submitted, then stop."""
        self._pending.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            group, closing = self._next_group()
            group.sort(key=lambda pending: self._order(pending[0]))
            try:
                results = self._commit([job for job, _ in group])
            except Exception:
                # One of them, or the database: alone, each job gets its own answer and fails nobody else.
                for job, future in group:
                    self._commit_alone(job, future)
            else:
                for (_, future), result in zip(group, results, strict=True):
                    future.set_result(result)

    def _next_group(self) -> tuple[list[tuple[Job, Future[Result]]], bool]:
        first = self._pending.get()
        if first is None:
            return [], True
        group = [first]
        while len(group) < _MOST_JOBS_PER_COMMIT:
            try:
                following = self._pending.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return group, True
            group.append(following)
        return group, False

    def _commit(self, jobs: Sequence[Job]) -> list[Result]:
        if not jobs:
            return []
        with self._engine.begin() as connection:
            return [self._write(connection, job) for job in jobs]

    def _commit_alone(self, job: Job, future: Future[Result]) -> None:
        try:
            [result] = self._commit([job])
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
