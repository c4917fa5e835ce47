"""One way to show progress: a bar on a terminal, a plain log line now and then without one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

import structlog
from datasets import disable_progress_bars
from rich.progress import track as rich_track
from transformers.utils import logging as transformers_logging

log = structlog.get_logger()
T = TypeVar("T")


def configure() -> None:
    """Keep the libraries' own bars to terminals as well, and their advice out of our log."""
    transformers_logging.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()
        transformers_logging.disable_progress_bar()


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
