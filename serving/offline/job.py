"""The offline job: a file of tickets in, a file of decisions out, in order, continued after any interruption."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from serving.intake import read_json, read_ticket
from serving.offline.progress import progress
from serving.offline.state import JobError, JobState, load_or_begin, skip_done
from serving.problems import FieldError, Problem, ProblemError, problem_bytes
from serving.settings import Settings
from triage.decision import Decision
from triage.ticket import Ticket

_log = logging.getLogger("fenzhen.offline")
_LINES_AHEAD_PER_WORKER = 8
_CHECKPOINT_SECONDS = 2.0
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LABELS = ("types", "primary", "intensity", "emotions", "demands", "risks")
_NOTES = ("industry", "slice", "why", "tier", "licence", "votes", "labels", "split")
CORPUS_FIELDS = frozenset({*_LABELS, *_NOTES})
"""Fields of a labelled corpus, ignored in a row that is named by ``id``."""


class OfflinePipeline(Protocol):
    """The core as the job uses it."""

    @property
    def receipt_versions(self) -> dict[str, str]:
        """Versions of model, taxonomy and policy."""

    def triage(self, ticket: Ticket) -> Decision:
        """The decision."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the input: its number, its bytes or why they are not kept, and where it ends."""

    number: int
    content: bytes | ProblemError
    end: int
    digest: Any  # SHA-256 of the input up to ``end``


class _Sink:
    """Where results go; ``state`` always describes what has been written completely."""

    def __init__(self, state: JobState, state_file: Path, decisions: BinaryIO, rejects: BinaryIO) -> None:
        self.state = state
        self._state_file = state_file
        self._decisions = decisions
        self._rejects = rejects
        self._saved_at = time.monotonic()

    def put(self, line: Line, result: Decision | ProblemError) -> None:
        """Write the result of the next line."""
        state = self.state
        if isinstance(result, Decision):
            state.output_bytes += self._decisions.write(result.model_dump_json().encode() + b"\n")
            state.accepted += 1
        else:
            _log.warning("line %d rejected: %s", line.number, _reason(result.problem))
            entry = b'{"line":%d,"problem":%s}\n' % (line.number, problem_bytes(result.problem))
            state.rejects_bytes += self._rejects.write(entry)
            state.rejected += 1
        state.lines, state.input_bytes, state.input_sha256 = line.number, line.end, line.digest.hexdigest()
        if time.monotonic() - self._saved_at > _CHECKPOINT_SECONDS:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Make everything written so far survive whatever comes."""
        for file in (self._decisions, self._rejects):
            file.flush()
            os.fsync(file.fileno())
        self.state.save(self._state_file)
        self._saved_at = time.monotonic()


def run(pipeline: OfflinePipeline, input: Path, output: Path, rejects: Path, settings: Settings) -> JobState:
    """Triage every line of ``input`` not yet done; the final counts. Raises ``JobError`` when a file is unusable."""
    state_file = output.with_name(output.name + ".state")
    if len({path.resolve() for path in (input, output, rejects, state_file)}) < 4:
        raise JobError("input, output and rejects must be different files")
    try:
        with input.open("rb") as source:
            state = load_or_begin(state_file, output, rejects, pipeline.receipt_versions)
            digest = skip_done(source, state, input)
            with _continued(output, state.output_bytes) as out, _continued(rejects, state.rejects_bytes) as bad:
                sink = _Sink(state, state_file, out, bad)
                sink.checkpoint()
                try:
                    lines = _lines(source, state, digest, settings.max_body_bytes)
                    with progress(state, input.stat().st_size) as advance:
                        for line, result in _results(pipeline, lines, settings.workers):
                            sink.put(line, result)
                            advance()
                finally:
                    sink.checkpoint()
            if not state.rejected:
                rejects.unlink()
    except OSError as error:
        raise JobError(f"{error.filename or output}: {error.strerror}") from error
    return state


def read_row(content: bytes) -> Ticket:
    """The ticket in a line: a ticket's fields, or a corpus row named by ``id``; raises ``ProblemError``."""
    raw = read_json(content)
    if isinstance(raw, dict) and "id" in raw and "ticket_id" not in raw:
        raw = {"ticket_id" if name == "id" else name: raw[name] for name in raw if name not in CORPUS_FIELDS}
    return read_ticket(raw)


def _results(
    pipeline: OfflinePipeline, lines: Iterator[Line], workers: int
) -> Iterator[tuple[Line, Decision | ProblemError]]:
    """The result of each line, in order, with a bounded number of lines in work at once."""

    def result(line: Line) -> Decision | ProblemError:
        try:
            if isinstance(line.content, ProblemError):
                return line.content
            return pipeline.triage(read_row(line.content))
        except ProblemError as problem:
            return problem
        except Exception as error:
            _log.error("line %d failed: %s", line.number, type(error).__qualname__)
            return ProblemError(500, "internal-error", "The pipeline failed on this line.")

    with ThreadPoolExecutor(workers) as threads:
        ahead: deque[tuple[Line, Future[Decision | ProblemError]]] = deque()
        for line in lines:
            ahead.append((line, threads.submit(result, line)))
            if len(ahead) >= workers * _LINES_AHEAD_PER_WORKER:
                first, future = ahead.popleft()
                yield first, future.result()
        while ahead:
            first, future = ahead.popleft()
            yield first, future.result()


def _lines(source: BinaryIO, state: JobState, digest: Any, limit: int) -> Iterator[Line]:
    """The lines of ``source`` from where it stands, without the blank ones; of one over ``limit`` bytes the problem."""
    number, end = state.lines, state.input_bytes
    while content := source.readline(limit + 1):
        number += 1
        size = len(content)
        digest.update(content)
        while not content.endswith(b"\n") and (more := source.readline(limit + 1)):
            size += len(more)
            digest.update(more)
            content = more
        end += size
        if size > limit + 1:
            yield Line(number, _too_long(size, limit), end, digest.copy())
        elif content.strip():
            yield Line(number, content.removeprefix(_BYTE_ORDER_MARK) if number == 1 else content, end, digest.copy())


def _continued(path: Path, size: int) -> BinaryIO:
    """``path`` opened for writing behind its first ``size`` bytes; what was written after them is dropped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("r+b" if path.exists() else "w+b")
    file.truncate(size)
    file.seek(size)
    return file


def _too_long(size: int, limit: int) -> ProblemError:
    error = FieldError(field="line", got=f"{size:,} bytes", expected=f"at most {limit:,} bytes")
    return ProblemError(413, "line-too-long", "The line is too long.", [error])


def _reason(problem: Problem) -> str:
    return "; ".join(f"{e.field}: got {e.got}, expected {e.expected}" for e in problem.errors) or problem.detail
