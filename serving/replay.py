"""Stored decisions made again: a receipt proves itself, or says which version it lacks."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

from rich.console import Console
from rich.progress import track
from sqlalchemy import Engine

from serving.settings import Settings
from serving.startup import open_pipeline
from serving.storage import repository
from serving.storage.database import reader
from serving.storage.repository import Replayable
from triage.bundle import MANIFEST
from triage.decision import Decision, Receipt
from triage.pipeline import Pipeline, Prepared
from triage.replay import Kept, restore
from triage.taxonomy import TAXONOMY_VERSION

T = TypeVar("T")

_ROWS_AT_ONCE = 256
_OPEN_AT_ONCE = 2
"""Bundles in memory: history is walked by time, where one follows the other."""
_SHOWN_CHARS = 80

State = Literal["identical", "differs", "another version", "nothing kept"]
NOTHING_KEPT = "it was stored before revision 0002 of the database: nothing was kept to replay it from"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one replay ended; ``lines`` say which versions are missing, or which fields of which decision differ."""

    state: State
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """How many replays ended how, and how often each line was said."""

    states: Counter[State]
    lines: Counter[str]

    @property
    def exit_code(self) -> int:
        """0 when all are identical, 1 when one differs, 2 when one could not be replayed."""
        return 1 if self.states["differs"] else 2 if self.states.total() > self.states["identical"] else 0


class Replayer:
    """Decides stored tickets again, each by the bundle of its receipt where the models folder has it, else by the
    champion. Safe to call from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opening = threading.Lock()
        self._open = lru_cache(maxsize=_OPEN_AT_ONCE)(lambda bundle: open_pipeline(settings, bundle))
        self._hints = {
            "model": f"put the bundle into {settings.models}",
            "taxonomy": "use the release of Fenzhen that has it",
            "policy": "give --policy FILE",
            "sla": "set FENZHEN_SLA and FENZHEN_SLA_PROFILE, or install that chinesecalendar",
            "playbook": "set FENZHEN_PLAYBOOK",
        }

    def replay(self, row: Replayable) -> Outcome:
        """Whether the ticket of a stored row decides to the stored bytes. Raises StartError."""
        if row.kept is None:
            return Outcome("nothing kept", (NOTHING_KEPT,))
        receipt = Decision.model_validate_json(row.reply).receipt
        pipeline = self._pipeline(receipt)
        if missing := tuple(self._missing(receipt, pipeline)):
            return Outcome("another version", missing)
        prepared = restored(row)
        again = pipeline.decide(prepared, pipeline.predict(prepared)).model_dump_json().encode()
        if again == row.reply:
            return Outcome("identical")
        differences = list(_differences(json.loads(row.reply), json.loads(again))) or ["only the order of its fields"]
        return Outcome("differs", tuple(f"{row.decision_id} {difference}" for difference in differences))

    def replay_all(self, chunks: Iterable[Sequence[Replayable]], total: int) -> Report:
        """The outcomes of all rows together, behind a progress bar up to ``total``. Raises StartError."""
        report = Report(Counter(), Counter())
        with ThreadPoolExecutor(self._settings.workers) as threads:
            for outcome in watched((outcome for rows in chunks for outcome in threads.map(self.replay, rows)), total):
                report.states[outcome.state] += 1
                report.lines.update(outcome.lines)
        return report

    def _pipeline(self, receipt: Receipt) -> Pipeline:
        version = receipt.model.partition("+")[0]
        is_here = (self._settings.models / version / MANIFEST).is_file()
        is_usable = is_here and receipt.taxonomy == TAXONOMY_VERSION
        with self._opening:
            return self._open(version if is_usable else None)

    def _missing(self, receipt: Receipt, pipeline: Pipeline) -> Iterator[str]:
        for part, loaded in pipeline.receipt_versions.items():
            needed = getattr(receipt, part)
            if needed != loaded:
                yield f"{part} {needed} needed, {loaded} loaded; {self._hints[part]}"


def restored(row: Replayable) -> Prepared:
    """The ticket of a stored row as it was prepared; its ``kept`` must be there."""
    return restore(
        Kept.model_validate_json(row.kept),
        text=row.text,
        text_sha256=row.text_sha256,
        source=row.source,
        ticket_id=row.ticket_id,
    )


def stored(engine: Engine, decision_id: str) -> Replayable | None:
    """One decision with all it is replayed from, or ``None``."""
    with reader(engine).connect() as connection:
        return repository.replayable(connection, decision_id)


def stored_since(engine: Engine, created_at: str) -> Iterator[Sequence[Replayable]]:
    """All decisions made from ``created_at`` (ISO 8601 in UTC) on, oldest first, a bounded number at once."""
    decision_id = ""
    with reader(engine).connect() as connection:
        while rows := repository.replayable_after(connection, created_at, decision_id, _ROWS_AT_ONCE):
            yield rows
            created_at, decision_id = rows[-1].created_at, rows[-1].decision_id


def count_since(engine: Engine, created_at: str) -> int:
    """How many ``stored_since`` gives."""
    with reader(engine).connect() as connection:
        return repository.count_since(connection, created_at)


def watched(items: Iterable[T], total: int, doing: str = "replaying") -> Iterable[T]:
    """``items`` behind a progress bar where standard error is a terminal."""
    console = Console(stderr=True)
    return track(items, doing, total, console=console, transient=True, disable=not console.is_terminal)


def _differences(then: Any, now: Any, path: str = "") -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for field in {**then, **now}:
            yield from _differences(then.get(field), now.get(field), f"{path}.{field}" if path else field)
    elif then != now:
        yield f"{path}: {_shortened(then)} is stored, {_shortened(now)} is decided now"


def _shortened(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + "…"
