"""Thresholds of a policy, proposed from tickets whose right tier is known. Nothing here puts a policy into use."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triage.policy import Policy, Rule, When
from triage.routing import Findings, Router
from triage.taxonomy import TYPES
from triage.toml_file import Place, line_of

MIN_EXAMPLES = 50
QUANTITIES = {"min_amount": "amount", "min_contacts": "contacts", "min_age_days": "age_days"}
"""Conditions that bound a quantity, and what they are compared with. Levels are words of the guideline: not tuned."""

_FOLDS = 5
_RESAMPLES = 1000
_OFF = Decimal("Infinity")
_TOML_NUMBER = r"[+-]?[\d_]+(?:\.[\d_]+)?(?:[eE][+-]?\d+)?"

Ranks = NDArray[np.int64]
"""Tiers by their place in the policy, the lowest 0; one per example."""


class TuningError(ValueError):
    """Examples that nothing can be concluded from, or a file whose numbers cannot be changed in place."""


class Example(NamedTuple):
    """A ticket as the policy sees it, and the tier it belongs to."""

    findings: Findings
    tier: str


class Number(NamedTuple):
    """A number of a rule: a field of its conditions, or within ``min_probability`` that of a type."""

    rule: str
    field: str
    type: str | None = None

    def __str__(self) -> str:
        return f"{self.field}.{self.type}" if self.type else self.field


class Change(NamedTuple):
    """A number as it is and as proposed."""

    number: Number
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Costs:
    """What a ticket costs for each tier that it came out too low, and too high."""

    under: float
    over: float

    def of(self, found: Ranks, right: Ranks) -> NDArray[np.float64]:
        """The cost of each example."""
        steps = found - right
        return np.where(steps < 0, -steps * self.under, steps * self.over)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy makes of the examples: how many of each right tier (row) it gives each tier (column)."""

    tiers: tuple[str, ...]
    confusion: NDArray[np.int64]
    cost: float
    """Mean over the examples."""

    @property
    def under_triage(self) -> float:
        """The share that came out too low, in [0, 1]."""
        return float(np.tril(self.confusion, -1).sum() / self.confusion.sum())

    @property
    def over_triage(self) -> float:
        """The share that came out too high, in [0, 1]."""
        return float(np.triu(self.confusion, 1).sum() / self.confusion.sum())

    def load(self, volume: float) -> dict[str, float]:
        """Tickets for each tier where ``volume`` come in, if they come as the examples do."""
        shares = self.confusion.sum(axis=0) / self.confusion.sum()
        return dict(zip(self.tiers, (volume * shares).tolist(), strict=True))


class Difference(NamedTuple):
    """A change of the cost per ticket, and its bootstrap 95 % interval."""

    mean: float
    low: float
    high: float


class Lift(NamedTuple):
    """A rule to add that also fires where the model is less sure of a type, at the probability that costs least."""

    rule: Rule
    held_out: Difference
    """Measured as that of a proposal."""

    @property
    def is_proposed(self) -> bool:
        """Whether it lowers the cost, at 95 % confidence."""
        return self.held_out.high < 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """Numbers that would have cost less, and what they do to the tiers of the examples.

    ``difference`` is measured on the examples the numbers were chosen on, which flatters them; for ``held_out`` they
    are chosen five times over, each time on four fifths, and measured on the rest.
    """

    changes: tuple[Change, ...]
    before: Outcome
    after: Outcome
    difference: Difference
    held_out: Difference
    lifts: tuple[Lift, ...]
    """All that were tried, each on top of what was proposed before it."""
    with_lifts: Outcome
    """With those that are proposed."""


def tunable(policy: Policy) -> dict[Number, Decimal]:
    """The numbers that may be tuned, with their values: none of rules of the highest tier or over risks."""
    found: dict[Number, Decimal] = {}
    for rule in policy.rules:
        if _is_fixed(policy, rule):
            continue
        for field in QUANTITIES:
            if (value := getattr(rule.when, field)) is not None:
                found[Number(rule.code, field)] = Decimal(str(value))
        for type_, probability in rule.when.min_probability.items():
            found[Number(rule.code, "min_probability", type_)] = Decimal(str(probability))
    return found


def propose(policy: Policy, examples: Sequence[Example], costs: Costs) -> Proposal:
    """The numbers at which the examples cost least, by coordinate descent over all values seen; deterministic.

    Raises TuningError for fewer than ``MIN_EXAMPLES`` examples and for one of a tier that the policy does not have.
    """
    if len(examples) < MIN_EXAMPLES:
        raise TuningError(f"found {len(examples)} examples, expected at least {MIN_EXAMPLES} to tune by")
    if unknown := sorted({example.tier for example in examples} - set(policy.tiers)):
        raise TuningError(f"found the tier {unknown[0]!r}, expected one of {list(policy.tiers)}")
    now = tunable(policy)
    liftable = {Number(rule.code, "min_probability", type_): rule for type_, rule in _liftable(policy)}
    before = now | dict.fromkeys(liftable, _OFF)
    table = _Table(policy, liftable.values(), examples, costs, before)
    every = np.ones(len(examples), dtype=bool)
    after = table.descend(before, now, every)
    lifts, lifted = [], after
    for number, rule in liftable.items():
        tried = table.descend(lifted, [number], every)
        if tried != lifted:
            lifts.append(Lift(_at(rule, number, tried[number]), _difference(table.held_out(lifted, [number]))))
            lifted = tried if lifts[-1].is_proposed else lifted
    return Proposal(
        changes=tuple(Change(n, before[n], after[n]) for n in now if after[n] != before[n]),
        before=table.outcome(before),
        after=table.outcome(after),
        difference=_difference(table.cost(after) - table.cost(before)),
        held_out=_difference(table.held_out(before, now)),
        lifts=tuple(lifts),
        with_lifts=table.outcome(lifted),
    )


def with_changes(policy: Policy, changes: Iterable[Change]) -> Policy:
    """The policy with the changed numbers."""
    after = {change.number: change.after for change in changes}
    rules = list(policy.rules)
    for number, value in after.items():
        index = _index(policy, number)
        rules[index] = _at(rules[index], number, value)
    return Policy.model_validate({**policy.model_dump(), "rules": [rule.model_dump() for rule in rules]})


def rewritten(text: str, changes: Iterable[Change]) -> str:
    """A policy file's text with the changed numbers, and every other character as it was.

    Raises TuningError where a number is not written as ``name = number`` within the statement that gives it.
    """
    policy = Policy.model_validate(tomllib.loads(text))
    changes = tuple(changes)
    changed = text
    for number, _, after in changes:
        path: Place = ("rules", _index(policy, number), "when", number.field)
        name = number.type or number.field
        start = sum(map(len, changed.splitlines(keepends=True)[: line_of(changed, path) - 1]))
        if number.type:
            start = changed.index(number.field, start)
        written = re.compile(rf"(?<![\w-]){name}[\"']?\s*=\s*({_TOML_NUMBER})").search(changed, start)
        if written:
            changed = f"{changed[: written.start(1)]}{after:f}{changed[written.end(1) :]}"
    if Policy.model_validate(tomllib.loads(changed)) != with_changes(policy, changes):
        raise TuningError("the numbers cannot be changed in place; change by hand what the table says")
    return changed


def as_toml(rule: Rule) -> str:
    """A proposed rule as it would stand in a policy file."""
    ((type_, probability),) = rule.when.min_probability.items()
    code, tier, text = (json.dumps(value, ensure_ascii=False) for value in (rule.code, rule.tier, rule.text))
    when = f"{{ min_probability = {{ {type_} = {probability} }} }}"
    return f"[[rules]]\ncode = {code}\ntier = {tier}\ntext = {text}\nwhen = {when}\n"


class _Table:
    """The examples as arrays: which rules would fire whatever their numbers, and what the numbers are compared with."""

    def __init__(
        self,
        policy: Policy,
        lifts: Iterable[Rule],
        examples: Sequence[Example],
        costs: Costs,
        numbers: Mapping[Number, Decimal],
    ) -> None:
        policy = policy.model_copy(update={"rules": (*policy.rules, *lifts)})
        self._tiers = tuple(policy.tiers)
        self._costs = costs
        self._right = np.array([self._tiers.index(example.tier) for example in examples])
        self._default = self._tiers.index(policy.default_tier)
        tuned = {number.rule for number in numbers}
        bare = tuple(_without_numbers(rule) if rule.code in tuned else rule for rule in policy.rules)
        router = Router(policy.model_copy(update={"rules": bare}), "")
        fired = [{reason.code for reason in router.route(example.findings).reasons} for example in examples]
        self._values = {
            number: np.array([_measured(number, example.findings) for example in examples]) for number in numbers
        }
        self._rules = [
            (
                self._tiers.index(rule.tier),
                np.array([rule.code in codes for codes in fired]),
                [number for number in numbers if number.rule == rule.code],
            )
            for rule in policy.rules
        ]
        fires = {rule.code: row for rule, (_, row, _) in zip(policy.rules, self._rules, strict=True)}
        self._choices = {
            number: _choices(value, self._values[number][fires[number.rule]]) for number, value in numbers.items()
        }

    def ranks(self, numbers: Mapping[Number, Decimal]) -> Ranks:
        """The tier each example is given."""
        found = np.full(len(self._right), -1)
        for rank, fires, bounds in self._rules:
            for number in bounds:
                fires = fires & (self._values[number] >= float(numbers[number]))
            found[fires] = np.maximum(found[fires], rank)
        return np.where(found < 0, self._default, found)

    def cost(self, numbers: Mapping[Number, Decimal]) -> NDArray[np.float64]:
        """What each example costs."""
        return self._costs.of(self.ranks(numbers), self._right)

    def outcome(self, numbers: Mapping[Number, Decimal]) -> Outcome:
        """What becomes of all examples."""
        confusion = np.zeros((len(self._tiers), len(self._tiers)), dtype=np.int64)
        np.add.at(confusion, (self._right, self.ranks(numbers)), 1)
        return Outcome(self._tiers, confusion, float(self.cost(numbers).mean()))

    def descend(
        self, start: Mapping[Number, Decimal], numbers: Iterable[Number], rows: NDArray[np.bool_]
    ) -> dict[Number, Decimal]:
        """``start`` with each of ``numbers`` in turn put where ``rows`` cost least, until none is moved any more."""
        best, numbers = dict(start), tuple(numbers)
        while True:
            before = dict(best)
            for number in numbers:
                best[number] = self._cheapest(number, best, rows)
            if best == before:
                return best

    def held_out(self, start: Mapping[Number, Decimal], numbers: Iterable[Number]) -> NDArray[np.float64]:
        """What each example costs more than at ``start``, at the numbers chosen on the other folds."""
        numbers, fold = tuple(numbers), np.arange(len(self._right)) % _FOLDS
        more = np.zeros(len(self._right))
        for held in range(_FOLDS):
            chosen = self.descend(start, numbers, fold != held)
            more[fold == held] = (self.cost(chosen) - self.cost(start))[fold == held]
        return more

    def _cheapest(self, number: Number, others: Mapping[Number, Decimal], rows: NDArray[np.bool_]) -> Decimal:
        """The choice of ``number`` at which ``rows`` cost least; of equals the nearest to what stands in the policy."""
        always, never = ({**others, number: bound} for bound in (-_OFF, _OFF))
        more = (self.cost(always) - self.cost(never))[rows]
        values = self._values[number][rows]
        order = np.argsort(-values, kind="stable")
        # What it costs when the condition holds for the k highest values: all choices are judged in one pass.
        added = np.round(np.concatenate([[0.0], np.cumsum(more[order])]), 9)
        choices = self._choices[number]
        holds = np.searchsorted(-values[order], [-float(choice) for choice in choices], side="right")
        return choices[int(np.argmin(added[holds]))]


def _liftable(policy: Policy) -> Iterable[tuple[str, Rule]]:
    """For each rule over one type and nothing else, that type, and a rule that also fires where the model is less sure.

    It asks for the tier alone: nobody is checked or suspected by what the model did not find.
    """
    codes = {rule.code for rule in policy.rules}
    for rule in policy.rules:
        for label in TYPES:
            code = f"{rule.code}_likely"
            if rule.when == When(types=(label.name,)) and not _is_fixed(policy, rule) and code not in codes:
                text = f"模型认为可能涉及{label.zh}，把握不足以认定，从宽处理"
                when = When(min_probability={label.name: 1.0})
                yield label.name, Rule(code=code, tier=rule.tier, text=text, when=when)


def _is_fixed(policy: Policy, rule: Rule) -> bool:
    """Who is in danger is no matter of cost."""
    return rule.tier == tuple(policy.tiers)[-1] or bool(rule.when.risks)


def _at(rule: Rule, number: Number, value: Decimal) -> Rule:
    given: object = {**rule.when.min_probability, number.type: value} if number.type else value
    return rule.model_copy(update={"when": When.model_validate({**rule.when.model_dump(), number.field: given})})


def _index(policy: Policy, number: Number) -> int:
    return next(index for index, rule in enumerate(policy.rules) if rule.code == number.rule)


def _without_numbers(rule: Rule) -> Rule:
    # Not validated: a rule may have no other condition, and then fires always.
    bare: dict[str, object] = {**dict.fromkeys(QUANTITIES), "min_probability": {}}
    return rule.model_copy(update={"when": rule.when.model_copy(update=bare)})


def _measured(number: Number, findings: Findings) -> float:
    """What a number is compared with; below every number where that is not known."""
    if number.type:
        return findings.probabilities.get(number.type, 0.0)
    value = getattr(findings, QUANTITIES[number.field])
    return float("-inf") if value is None else float(value)


def _choices(now: Decimal, seen: NDArray[np.float64]) -> tuple[Decimal, ...]:
    """A number as it is, then one for each way to part the values ``seen``, the nearest first."""
    values = [Decimal(str(value)) for value in np.unique(seen[np.isfinite(seen) & (seen > 0)]).tolist()]
    between = [_roundest(low, high) for low, high in zip([Decimal(0), *values], values, strict=False)]
    return (now, *sorted(between, key=lambda value: (abs(min(now, values[-1]) - value), value)))


def _roundest(low: Decimal, high: Decimal) -> Decimal:
    """The number with the fewest digits in (``low``, ``high``], the greatest of those."""
    digit = high.adjusted()
    while (found := high.quantize(Decimal(1).scaleb(digit), rounding=ROUND_FLOOR)) <= low:
        digit -= 1
    return found


def _difference(more: NDArray[np.float64]) -> Difference:
    random = np.random.default_rng(7)
    means = [more[random.integers(0, len(more), len(more))].mean() for _ in range(_RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(float(more.mean()), float(low), float(high))
