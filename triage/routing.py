"""Who handles a ticket: every rule of the policy that holds fires, the highest tier wins, all of them are explained."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from operator import attrgetter
from pathlib import Path

from triage.policy import ABSTAINED, Policy, When, load_policy
from triage.records import Reason, Route


@dataclass(frozen=True, slots=True)
class Findings:
    """What a policy may look at. ``text`` is cleaned and masked, without the words quoted from the other side.

    Amounts are in yuan; ``probabilities`` are those of the types, ``emotions`` levels 0–3; ``staff`` are the numbers
    and names of employees that the text or the ticket speaks of; ``age_days`` is None where it is not known.
    """

    text: str
    primary_type: str | None
    types: frozenset[str]
    demands: frozenset[str]
    risks: frozenset[str]
    intensity: int
    abstain_code: str | None
    emotions: Mapping[str, int] = field(default_factory=dict)
    probabilities: Mapping[str, float] = field(default_factory=dict)
    amount: Decimal | None = None
    contacts: int = 0
    age_days: float | None = None
    channel: str | None = None
    flags: frozenset[str] = frozenset()
    staff: tuple[str, ...] = ()


class Router:
    """Applies one policy. ``version`` is what receipts carry: the policy's version and a hash of its file.

    ``contacts_within`` is how long a customer's other tickets count as earlier contacts.
    """

    def __init__(self, policy: Policy, sha256: str) -> None:
        self._policy = policy
        self._rank = {tier: rank for rank, tier in enumerate(policy.tiers)}
        self._rules = [
            (rule, tuple(_conditions(rule.when)), tuple(map(re.compile, rule.when.patterns))) for rule in policy.rules
        ]
        self.tiers = tuple(policy.tiers)
        self.version = f"{policy.version}+{sha256[:12]}"
        self.contacts_within = timedelta(days=policy.contacts_within_days)

    def route(self, found: Findings) -> Route:
        """Tier, queue and every rule that fired, strongest first. Pure: the same findings give the same route."""
        policy = self._policy
        fired = [
            (rule, hit)
            for rule, conditions, patterns in self._rules
            if all(holds(found) for holds in conditions)
            and (hit := _words_hit(rule.when, patterns, found.text)) is not None
        ]
        fired.sort(key=lambda item: -self._rank[item[0].tier])  # stable: the file's order within a tier
        tier = fired[0][0].tier if fired else policy.default_tier
        owner = ABSTAINED if found.primary_type is None else found.primary_type
        queue = next((r.queue for r, _ in fired if r.tier == tier and r.queue), policy.queues[owner])
        reasons = tuple(Reason(code=r.code, text=r.text + (f"（“{hit}”）" if hit else "")) for r, hit in fired)
        return Route(
            tier=tier,
            queue=queue,
            reasons=reasons or (self._routine(),),
            checks=_each_once(check for rule, _ in fired for check in rule.checks),
            before_closing=_each_once(step for rule, _ in fired for step in rule.before_closing),
            may_settle=self._may_settle(found),
            recused=_each_once(name for person in found.staff for name in (person, *policy.stand_ins(person))),
        )

    def _may_settle(self, found: Findings) -> str | None:
        """The lowest tier that may settle a matter of this type and amount; None where that is not laid down."""
        if found.amount is None:
            return None
        for cell in self._policy.authority:
            if cell.type == found.primary_type and (cell.up_to is None or found.amount <= cell.up_to):
                return cell.tier
        return None

    def _routine(self) -> Reason:
        default = self._policy.default_tier
        return Reason(code="routine", text=f"未见升级信号，按常规由{self._policy.tiers[default]}处理")


def load_router(path: Path | None = None) -> Router:
    """The router for a policy file, by default the one shipped with the package. Raises PolicyError."""
    return Router(*load_policy(path))


def _words_hit(when: When, patterns: tuple[re.Pattern[str], ...], text: str) -> str | None:
    """The words that were looked for and found, '' where a rule looks for none; None when it looks in vain."""
    if not (when.phrases or patterns):
        return ""
    for phrase in when.phrases:
        if phrase in text:
            return phrase
    return next((hit.group() for pattern in patterns if (hit := pattern.search(text))), None)


def _conditions(when: When) -> Iterator[Callable[[Findings], bool]]:
    """One test for each condition that is given beside the words: most rules give one, and every ticket meets all."""
    for field_name in ("types", "demands", "risks", "flags"):
        if wanted := getattr(when, field_name):
            yield _any_of(field_name, wanted)
    if (intensity := when.min_intensity) is not None:
        yield lambda found: found.intensity >= intensity
    if levels := when.emotions:
        yield lambda found: all(found.emotions.get(name, 0) >= level for name, level in levels.items())
    if least := when.min_probability:
        yield lambda found: all(found.probabilities.get(name, 0.0) >= p for name, p in least.items())
    if (amount := when.min_amount) is not None:
        yield lambda found: found.amount is not None and found.amount >= amount
    if (contacts := when.min_contacts) is not None:
        yield lambda found: found.contacts >= contacts
    if (days := when.min_age_days) is not None:
        yield lambda found: found.age_days is not None and found.age_days >= days
    if channels := when.channels:
        yield lambda found: found.channel in channels
    if (named := when.staff_named) is not None:
        yield lambda found: named == bool(found.staff)
    if (abstained := when.abstained) is not None:
        yield lambda found: abstained == (found.abstain_code is not None)
    if reasons := when.abstain_reasons:
        yield lambda found: found.abstain_code in reasons


def _any_of(field_name: str, wanted: Iterable[str]) -> Callable[[Findings], bool]:
    names, have = frozenset(wanted), attrgetter(field_name)
    return lambda found: not names.isdisjoint(have(found))


def _each_once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
