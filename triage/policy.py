"""The routing policy as data: named rules, authority matrix, delegates; read from a versioned TOML file and checked.

What cannot be applied is refused at the door, with the line it stands in: a policy decides who is called back tonight.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from triage.taxonomy import DEMANDS, EMOTIONS, OTHER, RISKS, TYPES, names
from triage.text import clean
from triage.ticket import CUSTOMER_FLAGS
from triage.toml_file import FileModel, read_toml

DEFAULT_POLICY = Path(__file__).with_name("routing.toml")
ABSTAINED = "abstained"

Level = Literal[1, 2, 3]


class PolicyError(ValueError):
    """A policy file that cannot be applied; the message names the file, the line, the field and what was expected."""


class When(FileModel):
    """Conditions of a rule; all that are given must hold. A list holds when any of its entries is found.

    ``phrases`` and ``patterns`` (regular expressions) are looked for in the customer's own words: what the other side
    is quoted to have said is blanked out before. Amounts are in yuan, ages in days.
    """

    types: tuple[str, ...] = ()
    demands: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    emotions: dict[str, Level] = Field(default_factory=dict)
    min_intensity: Level | None = None
    min_probability: dict[str, float] = Field(default_factory=dict)
    min_amount: Decimal | None = Field(default=None, gt=0)
    min_contacts: int | None = Field(default=None, ge=1)
    min_age_days: float | None = Field(default=None, gt=0)
    channels: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    staff_named: bool | None = None
    abstained: bool | None = None
    abstain_reasons: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_hold(self) -> When:
        for field, known in (
            ("types", names(TYPES)),
            ("demands", names(DEMANDS)),
            ("risks", names(RISKS)),
            ("emotions", names(EMOTIONS)),
            ("min_probability", names(TYPES)),
            ("flags", CUSTOMER_FLAGS),
        ):
            if unknown := sorted(set(getattr(self, field)) - set(known)):
                raise ValueError(f"{field}: unknown {unknown}, expected some of {list(known)}")
        if self == When.model_construct():
            raise ValueError("a rule without conditions would always fire; give it at least one")
        for phrase in self.phrases:
            if (seen := clean(phrase).text) != phrase:
                raise ValueError(f"phrases: {phrase!r} can never be found, texts are cleaned first: write {seen!r}")
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"patterns: {pattern!r} is no regular expression: {error}") from error
        if self.abstained is False and self.abstain_reasons:
            raise ValueError("abstain_reasons: can never hold beside abstained = false; the rule is unreachable")
        if self.types and (self.abstained or self.abstain_reasons):
            raise ValueError("types: an abstained ticket has none; the rule is unreachable")
        return self


class Rule(FileModel):
    """One named rule: when it fires, the tier it asks for, its queue, the sentence that explains it, and what it
    asks of the handler: ``checks`` while the case is open, ``before_closing`` who has to look at it at the end."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    tier: str
    queue: str | None = None
    text: str = Field(min_length=1)
    checks: tuple[str, ...] = ()
    before_closing: tuple[str, ...] = ()
    when: When


class Authority(FileModel):
    """One cell of the authority matrix: who may settle this type up to this amount (yuan); none means any amount."""

    type: str
    up_to: Decimal | None = Field(default=None, gt=0)
    tier: str


class Policy(FileModel):
    """A routing policy, immutable once loaded."""

    version: str
    default_tier: str
    contacts_within_days: int = Field(
        default=30, ge=1, le=3650, description="How long a customer's other tickets count as earlier contacts."
    )
    tiers: dict[str, str]
    queues: dict[str, str]
    rules: tuple[Rule, ...]
    authority: tuple[Authority, ...] = ()
    delegates: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_complete(self) -> Policy:
        for where, tier in (
            ("default_tier", self.default_tier),
            *((f"rules.{index}.tier", rule.tier) for index, rule in enumerate(self.rules)),
            *((f"authority.{index}.tier", cell.tier) for index, cell in enumerate(self.authority)),
        ):
            if tier not in self.tiers:
                raise ValueError(f"{where}: {tier!r} is not among tiers {list(self.tiers)}")
        owners = {*names(TYPES), OTHER.name, ABSTAINED}
        if set(self.queues) != owners:
            raise ValueError(f"queues: expected exactly {sorted(owners)}, found {sorted(self.queues)}")
        self._rules_differ()
        self._authority_rises()
        self._nobody_stands_in_for_himself()
        return self

    def _rules_differ(self) -> None:
        seen: dict[str, int] = {}
        for index, rule in enumerate(self.rules):
            if rule.code in seen:
                raise ValueError(f"rules.{index}.code: {rule.code!r} is the name of an earlier rule; codes must differ")
            seen[rule.code] = index
            for earlier in self.rules[:index]:
                if earlier.when == rule.when and earlier.tier != rule.tier:
                    raise ValueError(
                        f"rules.{index}.tier: {rule.code!r} says {rule.tier} where {earlier.code!r} says "
                        f"{earlier.tier}, under the same conditions; they contradict each other"
                    )

    def _authority_rises(self) -> None:
        rank = {tier: number for number, tier in enumerate(self.tiers)}
        last: dict[str, Authority] = {}
        for index, cell in enumerate(self.authority):
            if cell.type not in names(TYPES):
                raise ValueError(f"authority.{index}.type: unknown {cell.type!r}, expected one of {list(names(TYPES))}")
            before = last.get(cell.type)
            if before and (
                before.up_to is None
                or (cell.up_to is not None and cell.up_to <= before.up_to)
                or rank[cell.tier] <= rank[before.tier]
            ):
                raise ValueError(
                    f"authority.{index}: a larger amount needs a higher tier; {cell.type!r} up to {cell.up_to} by "
                    f"{cell.tier} can never be reached after up to {before.up_to} by {before.tier}"
                )
            last[cell.type] = cell

    def _nobody_stands_in_for_himself(self) -> None:
        for person in self.delegates:
            if person in self.stand_ins(person):
                raise ValueError(
                    f"delegates.{person}: stands in for itself through {self.stand_ins(person)}; cut the circle"
                )

    def stand_ins(self, person: str) -> tuple[str, ...]:
        """Everybody who acts for ``person``, directly or through others, in the file's order."""
        found: dict[str, None] = {}
        pending = list(self.delegates.get(person, ()))
        while pending:
            name = pending.pop(0)
            if name not in found:
                found[name] = None
                pending.extend(self.delegates.get(name, ()))
        return tuple(found)


def load_policy(path: Path | None = None) -> tuple[Policy, str]:
    """The policy of a file, by default the one shipped with the package, and the file's SHA-256. Raises PolicyError."""
    return read_toml(path or DEFAULT_POLICY, Policy, PolicyError)
