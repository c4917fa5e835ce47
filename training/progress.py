"""One way to show progress: a bar on a terminal, a plain log line now and then without one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

import structlog
from rich.progress import track as rich_track

log = structlog.get_logger()
T = TypeVar("T")


def track(items: Sequence[T], what: str) -> Iterator[T]:
    """Yield ``items`` one by one, telling how far it has come."""
    if sys.stderr.isatty():
        yield from rich_track(items, description=what)
        return
    step = max(1, len(items) // 5)
    for number, item in enumerate(items, 1):
        yield item
        if number % step == 0:
            log.info(what, done=number, of=len(items))
