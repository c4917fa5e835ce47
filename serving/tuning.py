"""Labelled complaints as examples to tune a policy by, and the proposal as a person reads it."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from serving.intake import read_json
from serving.offline.job import read_row
from serving.problems import ProblemError
from serving.replay import watched
from triage import Pipeline, Ticket
from triage.labels import Labels
from triage.pipeline import findings
from triage.policy import Policy
from triage.replay import reading_of
from triage.routing import Router
from triage.toml_file import first_fault
from triage.tuning import Difference, Example, Lift, Outcome, Proposal, TuningError, as_toml


class Labelled(NamedTuple):
    """A complaint with what people say of it; ``tier`` is None where they do not say who should handle it."""

    ticket: Ticket
    labels: Labels
    tier: str | None


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much the desks get done: heads by tier, tickets one head settles a day, and tickets that come in a day."""

    staff: Mapping[str, int]
    per_head: float
    volume: float

    def of(self, tier: str) -> float:
        """Tickets a day that a tier settles."""
        return self.staff[tier] * self.per_head


def heads(given: Iterable[str], tiers: Iterable[str]) -> dict[str, int]:
    """The heads of each of ``tiers`` from entries such as ``L1=20``. Raises TuningError unless every tier has one."""
    found: dict[str, int] = {}
    tiers = tuple(tiers)
    for entry in given:
        tier, _, count = entry.partition("=")
        if tier not in tiers or not count.isdecimal() or tier in found:
            raise TuningError(f"--staff: found {entry!r}, expected TIER=HEADS once for each of {list(tiers)}")
        found[tier] = int(count)
    if missing := [tier for tier in tiers if tier not in found]:
        raise TuningError(f"--staff: found none of {missing}, expected TIER=HEADS once for each of {list(tiers)}")
    return found


def read_labelled(path: Path, tiers: Iterable[str]) -> Iterator[Labelled]:
    """The rows of a JSONL file as ``data/README.md`` describes them. Raises TuningError with file, line and field."""
    tiers = tuple(tiers)
    for number, line in enumerate(path.read_bytes().removeprefix(BOM_UTF8).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = read_json(line)
            ticket, labels = read_row(line), Labels.model_validate(row)
        except ValidationError as error:
            where, said = first_fault(error)
            raise TuningError(f"{path}:{number}: {'.'.join(map(str, where))}: {said}") from None
        except ProblemError as error:
            faults = "; ".join(f"{e.field}: found {e.got}, expected {e.expected}" for e in error.problem.errors)
            raise TuningError(f"{path}:{number}: {faults or error.problem.detail}") from None
        if (tier := row.get("tier")) not in (None, *tiers):
            raise TuningError(f"{path}:{number}: tier: found {tier!r}, expected one of {list(tiers)}")
        yield Labelled(ticket, labels, tier)


def examples(rows: Sequence[Labelled], pipeline: Pipeline, policy: Policy, workers: int) -> list[Example]:
    """What the model finds in each row, and the tier it belongs to: the one given, else the policy's on the labels."""
    router = Router(policy, "")

    def example(row: Labelled) -> Example:
        prepared = pipeline.prepare(row.ticket)
        reading = reading_of(pipeline.decide(prepared, pipeline.predict(prepared)))
        right = row.tier or router.route(findings(prepared, row.labels.reading())).tier
        return Example(findings(prepared, reading), right)

    with ThreadPoolExecutor(workers) as threads:
        return list(watched(threads.map(example, rows), len(rows), "deciding"))


def show_proposal(proposal: Proposal, policy: Policy, capacity: Capacity, console: Console) -> None:
    """Print what would change, what it would cost, whom it would reach, and whether they can carry it."""
    outcomes = {"now": proposal.before}
    if proposal.changes:
        outcomes["proposed"] = proposal.after
    to_add = [lift.rule for lift in proposal.lifts if lift.is_proposed]
    if to_add:
        outcomes["with the rules below"] = proposal.with_lifts
    console.print(_figures(outcomes))
    for name, outcome in outcomes.items():
        console.print(_confusion(name, outcome))
    console.print(_loads(outcomes, policy, capacity))
    for name, outcome in outcomes.items():
        for tier, load in outcome.load(capacity.volume).items():
            if load > capacity.of(tier):
                said = f"{name}: {tier} gets {load:,.0f} tickets a day and settles {capacity.of(tier):,.0f}"
                console.print(f"Over capacity: {said}.", style="bold red")
    if proposal.changes:
        console.print(_changes(proposal, policy))
        console.print(f"Cost per ticket: {_interval(proposal.difference)} on the rows it was chosen on,")
        console.print(f"{_interval(proposal.held_out)} on rows it was not chosen on (five folds).")
    else:
        console.print("No other number would have cost less on these rows.")
    if proposal.lifts:
        console.print(_lifts(proposal.lifts))
    if to_add:
        console.print("Rules that lower the cost, at 95 % confidence; add them to the policy if you agree:\n")
        console.print("\n".join(map(as_toml, to_add)), soft_wrap=True)
    console.print("Loads and costs hold for tickets that come as these rows do. Nothing was put into use.")


def _figures(outcomes: Mapping[str, Outcome]) -> Table:
    table = Table("policy", "cost per ticket", "under-triage", "over-triage", title="Costs")
    for name, outcome in outcomes.items():
        table.add_row(name, f"{outcome.cost:.3f}", f"{outcome.under_triage:.1%}", f"{outcome.over_triage:.1%}")
    return table


def _confusion(name: str, outcome: Outcome) -> Table:
    table = Table("right tier", *(f"→ {tier}" for tier in outcome.tiers), title=f"Tiers, {name}")
    for tier, row in zip(outcome.tiers, outcome.confusion.tolist(), strict=True):
        table.add_row(tier, *(f"{count:,}" for count in row))
    return table


def _loads(outcomes: Mapping[str, Outcome], policy: Policy, capacity: Capacity) -> Table:
    table = Table("tier", "heads", "settles", *outcomes, title=f"Tickets a day, of {capacity.volume:,.0f}")
    loads = [outcome.load(capacity.volume) for outcome in outcomes.values()]
    for tier, name in policy.tiers.items():
        can = capacity.of(tier)
        shown = [f"{load[tier]:,.0f}{' !' if load[tier] > can else ''}" for load in loads]
        table.add_row(f"{tier} {name}", f"{capacity.staff[tier]:,}", f"{can:,.0f}", *shown)
    return table


def _changes(proposal: Proposal, policy: Policy) -> Table:
    texts = {rule.code: rule.text for rule in policy.rules}
    table = Table("rule", "number", "now", "proposed", "what handlers read: still true?", title="Numbers")
    for number, before, after in proposal.changes:
        table.add_row(number.rule, str(number), _plain(before), _plain(after), texts[number.rule])
    return table


def _lifts(lifts: Iterable[Lift]) -> Table:
    table = Table("rule", "from", "cost per ticket, on rows it was not chosen on", "", title="Rules tried")
    for lift in lifts:
        ((type_, probability),) = lift.rule.when.min_probability.items()
        said = "proposed" if lift.is_proposed else "not proposed"
        table.add_row(lift.rule.code, f"{type_} {probability:g}", _interval(lift.held_out), said)
    return table


def _plain(number: Decimal) -> str:
    return f"{number:f}"


def _interval(difference: Difference) -> str:
    return f"{difference.mean:+.3f} (95 %: {difference.low:+.3f} to {difference.high:+.3f})"
