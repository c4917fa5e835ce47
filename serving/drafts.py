"""Draft replies, checked against the decision they answer; what a sent one promises is tracked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Engine

from serving import promises
from serving.clock import now
from serving.storage import repository
from serving.storage.database import reader
from triage.decision import Decision
from triage.reply.lint import LintReport, lint
from triage.reply.promises import AddWorkdays
from triage.ticket import MAX_TEXT_CHARS


class Draft(BaseModel):
    """A reply to the customer; ``sent`` says that it goes out as it is, and its promises are tracked from then on."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    decision_id: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[ -~]+$")] = Field(
        description="The decision it answers."
    )
    draft: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_CHARS, pattern=r"\S")]
    fault_established: bool = Field(default=False, description="The finding is in: the fault is ours.")
    sent: bool = Field(default=False, description="It is being sent; sent again it promises nothing twice.")


class Drafts:
    """Checks drafts against stored decisions; ``add_workdays`` counts the working days of promises."""

    def __init__(self, engine: Engine, add_workdays: AddWorkdays) -> None:
        self._engine = engine
        self._add_workdays = add_workdays

    def check(self, draft: Draft) -> LintReport | None:
        """What is wrong with the draft and what it promises from now on; None when there is no such decision."""
        with reader(self._engine).connect() as connection:
            found = repository.answered(connection, draft.decision_id)
        if found is None:
            return None
        decision, moment = Decision.model_validate_json(found.reply), now()
        report = lint(
            draft.draft,
            primary_type=decision.primary_type,
            intensity=decision.intensity.level if decision.intensity else 0,
            risks=frozenset(risk.name for risk in decision.risks),
            received_at=found.received_at and datetime.fromisoformat(found.received_at),
            sent_at=moment,
            fault_established=draft.fault_established,
            add_workdays=self._add_workdays,
        )
        if draft.sent and report.promises:
            with self._engine.begin() as connection:
                promises.track(connection, found, draft.draft, report.promises, moment)
        return report
