"""The deadlines as data: our own promises and the packs of statutory ones; what a file of them may hold."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from triage.calendars import CalendarEntry, Period
from triage.taxonomy import OTHER, RISKS, TYPES, names
from triage.toml_file import FileModel

NO_TYPE = "abstained"
"""What stands in ``primary_types`` for a ticket the model abstained on."""

Clock = Literal["first_response", "resolution"]
_Within = Annotated[Period, BeforeValidator(Period.parse)]


class When(FileModel):
    """Conditions of a rule; all that are given must hold. A list holds when one of its entries is found."""

    tiers: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    primary_types: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_are_known(self) -> When:
        known = {"primary_types": (*names(TYPES), OTHER.name, NO_TYPE), "risks": names(RISKS)}
        for field, expected in known.items():
            if unknown := sorted(set(getattr(self, field)) - set(expected)):
                raise ValueError(f"{field}: found {unknown}, expected some of {list(expected)}")
        return self

    def holds(self, tier: str, queue: str, primary_type: str, risks: frozenset[str]) -> bool:
        """Whether all conditions hold."""
        return (
            (not self.tiers or tier in self.tiers)
            and (not self.queues or queue in self.queues)
            and (not self.primary_types or primary_type in self.primary_types)
            and (not self.risks or not risks.isdisjoint(self.risks))
        )


class Rule(FileModel):
    """One promise of our own: ``within`` of receipt, counted on ``calendar`` or on the file's."""

    code: str = Field(min_length=1)
    text: str = Field(min_length=1)
    clock: Clock
    within: _Within
    calendar: str | None = None
    when: When = When()


class Grant(FileModel):
    """An extension as the file names it; ``within`` comes on top of the rule's time and of the grants before it."""

    name: str
    within: _Within
    source: str


class StatutoryRule(Rule):
    """One rule of a pack; with ``starts_at`` it runs from that later event and not from receipt."""

    source: str = Field(min_length=1)
    extend_over_holidays: bool = False
    starts_at: str | None = None
    extensions: tuple[Grant, ...] = ()

    @model_validator(mode="after")
    def _can_be_counted(self) -> StatutoryRule:
        if self.extend_over_holidays and self.within.unit != "自然日":
            raise ValueError(f"extend_over_holidays: found within in {self.within.unit}, expected it in 自然日")
        for grant in self.extensions:
            if grant.within.unit != self.within.unit:
                raise ValueError(f"extensions: found {grant.within.unit}, expected {self.within.unit} as in within")
        return self


class Pack(FileModel):
    """The rules of one regulation; ``notice`` stands in the text of every deadline they set."""

    notice: str = Field(min_length=1)
    rules: tuple[StatutoryRule, ...]


class SlaFile(FileModel):
    """A file of deadlines, immutable once loaded."""

    version: str
    calendar: str
    profile: str
    calendars: dict[str, CalendarEntry]
    internal: tuple[Rule, ...]
    profiles: dict[str, tuple[str, ...]]
    packs: dict[str, Pack]

    @model_validator(mode="after")
    def _names_are_known(self) -> SlaFile:
        rules: dict[str, Rule] = {f"internal.{index}": rule for index, rule in enumerate(self.internal)}
        for name, pack in self.packs.items():
            rules |= {f"packs.{name}.rules.{index}": law for index, law in enumerate(pack.rules)}
        checks: list[tuple[str, Collection[str], Collection[str]]] = [
            ("calendar", [self.calendar], self.calendars),
            ("profile", [self.profile], self.profiles),
            *((f"profiles.{name}", packs, self.packs) for name, packs in self.profiles.items()),
            *((f"{place}.calendar", [rule.calendar or self.calendar], self.calendars) for place, rule in rules.items()),
        ]
        for where, found, expected in checks:
            if unknown := sorted(set(found) - set(expected)):
                raise ValueError(f"{where}: found {unknown[0]!r}, expected one of {list(expected)}")
        first: dict[str, str] = {}
        for place, rule in rules.items():
            if (earlier := first.setdefault(rule.code, place)) != place:
                raise ValueError(f"{place}.code: found {rule.code!r} twice (see {earlier}), expected codes to differ")
        for name, entry in self.calendars.items():
            if name in ("国务院", "交易所") and entry.base != name:
                raise ValueError(f"calendars.{name}.base: found {entry.base!r}, expected {name!r}, as the name says")
        return self
