"""What is kept of a ticket so that it can be decided again: the way to its evidence, without the person in it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from triage.decision import Decision
from triage.pipeline import CIRCUMSTANCES, Prepared, examine
from triage.reading import Reading
from triage.redaction import Redaction
from triage.text import AlignedText
from triage.ticket import Ticket

MASK = "█"

Run = tuple[int, int] | tuple[int, int, int]
"""``(skip, count)``: ``count`` characters stand one for one for as many of the original, which begin ``skip`` after
the end of the run before. ``(skip, count, width)``: ``count`` characters all stand for the same ``width`` ones."""


class Kept(BaseModel):
    """What is stored beside a decision and its cleaned, masked text so that the ticket can be decided again.

    ``original`` is as long as the ticket's text, so that spans index both alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    original: str | None = Field(
        default=None, description=f"The text with {MASK} for each masked character; null: as the masked text."
    )
    alignment: tuple[Run, ...] = ()
    redactions: tuple[tuple[str, int, int], ...] = Field(default=(), description="(kind, start, end) of the original.")
    circumstances: dict[str, JsonValue] = Field(default={}, description="Fields of the ticket beside its text.")


def keep(prepared: Prepared) -> Kept:
    """What has to be stored beside ``prepared.text``; nothing that was masked is in it."""
    ticket = prepared.ticket
    original = _masked(ticket.text, prepared.redactions)
    return Kept(
        original=None if original == prepared.text else original,
        alignment=_runs(prepared.aligned),
        redactions=tuple((r.kind, r.start, r.end) for r in prepared.redactions),
        circumstances=ticket.model_dump(mode="json", include=CIRCUMSTANCES, exclude_defaults=True),
    )


def restore(kept: Kept, *, text: str, text_sha256: str, source: str, ticket_id: str | None) -> Prepared:
    """The ticket as it was prepared, from what was kept and the stored ``text``: it decides to the same bytes.

    Its ``ticket.text`` is the masked original. Raises ValueError when ``kept`` does not belong to ``text``.
    """
    aligned = _aligned(text, kept.alignment)
    original = text if kept.original is None else kept.original
    ticket = Ticket.model_validate({"text": original, "source": source, "ticket_id": ticket_id, **kept.circumstances})
    return examine(ticket, aligned, tuple(Redaction(*redaction) for redaction in kept.redactions), text_sha256)


def reading_of(decision: Decision) -> Reading:
    """The reading that a decision was routed by."""
    return Reading(
        types=decision.types,
        primary_type=decision.primary_type,
        intensity=decision.intensity,
        emotions=decision.emotions,
        demands=decision.demands,
        risks=decision.risks,
        abstain=decision.abstain_reason,
    )


def _masked(original: str, redactions: tuple[Redaction, ...]) -> str:
    for redaction in redactions:
        mask = MASK * (redaction.end - redaction.start)
        original = original[: redaction.start] + mask + original[redaction.end :]
    return original


def _runs(aligned: AlignedText) -> tuple[Run, ...]:
    runs: list[Run] = []
    cursor = 0
    for start, end in zip(aligned.starts, aligned.ends, strict=True):
        last = runs[-1] if runs else None
        if last and len(last) == 2 and (start, end) == (cursor, cursor + 1):
            runs[-1] = (last[0], last[1] + 1)
        elif last and len(last) == 3 and (start, end) == (cursor - last[2], cursor):
            runs[-1] = (last[0], last[1] + 1, last[2])
        elif end - start == 1:
            runs.append((start - cursor, 1))
        else:
            runs.append((start - cursor, 1, end - start))
        cursor = end
    return tuple(runs)


def _aligned(text: str, runs: Sequence[Run]) -> AlignedText:
    starts: list[int] = []
    ends: list[int] = []
    cursor = 0
    for skip, count, *shared in runs:
        start = cursor + skip
        cursor = start + (shared[0] if shared else count)
        starts += [start] * count if shared else range(start, cursor)
        ends += [cursor] * count if shared else range(start + 1, cursor + 1)
    if len(starts) != len(text):
        raise ValueError(f"the alignment is of {len(starts)} characters: expected {len(text)}, as many as the text has")
    return AlignedText(text, starts, ends)
