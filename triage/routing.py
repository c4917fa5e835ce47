"""Who handles a ticket: every rule of the policy that holds fires, the highest tier wins, all of them are explained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from triage.policy import ABSTAINED, Policy, Rule, When, load_policy
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
    """Applies one policy. ``version`` is what receipts carry: the policy's version and a hash of its file."""

    def __init__(self, policy: Policy, sha256: str) -> None:
        self._policy = policy
        self._rank = {tier: rank for rank, tier in enumerate(policy.tiers)}
        self._patterns = {rule.code: [re.compile(pattern) for pattern in rule.when.patterns] for rule in policy.rules}
        self.tiers = tuple(policy.tiers)
        self.version = f"{policy.version}+{sha256[:12]}"

    def route(self, found: Findings) -> Route:
        """Tier, queue and every rule that fired, strongest first. Pure: the same findings give the same route."""
        policy = self._policy
        fired = [(rule, hit) for rule in policy.rules if (hit := self._fires(rule, found)) is not None]
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

    def _fires(self, rule: Rule, found: Findings) -> str | None:
        """None when a condition fails, else the words that were hit ('' where the rule looks for none)."""
        when = rule.when
        if not (_labels_hold(when, found) and _levels_hold(when, found) and _circumstances_hold(when, found)):
            return None
        if not (when.phrases or when.patterns):
            return ""
        phrase = next((phrase for phrase in when.phrases if phrase in found.text), None)
        if phrase is not None:
            return phrase
        hits = (pattern.search(found.text) for pattern in self._patterns[rule.code])
        return next((hit.group() for hit in hits if hit), None)

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


def _labels_hold(when: When, found: Findings) -> bool:
    return all(
        not wanted or have.intersection(wanted)
        for wanted, have in (
            (when.types, found.types),
            (when.demands, found.demands),
            (when.risks, found.risks),
            (when.flags, found.flags),
        )
    )


def _levels_hold(when: When, found: Findings) -> bool:
    return (
        found.intensity >= (when.min_intensity or 0)
        and all(found.emotions.get(name, 0) >= level for name, level in when.emotions.items())
        and all(found.probabilities.get(name, 0.0) >= p for name, p in when.min_probability.items())
    )


def _circumstances_hold(when: When, found: Findings) -> bool:
    abstained = found.abstain_code is not None
    return (
        (when.min_amount is None or (found.amount is not None and found.amount >= when.min_amount))
        and found.contacts >= (when.min_contacts or 0)
        and (when.min_age_days is None or (found.age_days is not None and found.age_days >= when.min_age_days))
        and (not when.channels or found.channel in when.channels)
        and (when.staff_named is None or when.staff_named == bool(found.staff))
        and (when.abstained is None or when.abstained == abstained)
        and (not when.abstain_reasons or found.abstain_code in when.abstain_reasons)
    )


def _each_once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
