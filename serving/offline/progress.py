"""Progress of an offline job: a bar on a terminal, a log line now and then without one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from serving.offline.state import JobState

_log = logging.getLogger("fenzhen.progress")
_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(state: JobState, total_bytes: int) -> Iterator[Callable[[], None]]:
    """A function to call after each line; shows how far ``state`` has come on standard error."""
    console = Console(stderr=True)
    started, lines_before = time.monotonic(), state.lines
    if state.lines:
        _log.info("continuing after line %d", state.lines)

    def speed() -> float:
        return (state.lines - lines_before) / max(time.monotonic() - started, 1e-9)

    if console.is_terminal:
        with _bar(console) as bar:
            task = bar.add_task("", total=total_bytes)
            yield lambda: bar.update(task, completed=state.input_bytes, description=_summary(state, speed()))
    else:
        last = started

        def log_now_and_then() -> None:
            nonlocal last
            if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                _log.info("%s, %.0f %%", _summary(state, speed()), 100 * state.input_bytes / max(total_bytes, 1))

        yield log_now_and_then
    _log.info("done: %s", _summary(state, speed()))


def configure_job_logging() -> None:
    """Plain log lines on standard error; on a terminal they stay above the progress bar."""
    console = Console(stderr=True)
    if console.is_terminal:
        handler: logging.Handler = RichHandler(console=console, show_path=False, show_time=False, markup=False)
        logging.basicConfig(level="INFO", format="%(message)s", handlers=[handler])
    else:
        logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(message)s")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console
    )


def _summary(state: JobState, speed: float) -> str:
    return f"{state.lines:,} lines, {state.accepted:,} decided, {state.rejected:,} rejected, {speed:,.0f}/s"
