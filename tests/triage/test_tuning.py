"""Numbers of a policy are proposed where labelled tickets cost least, and nothing about people in danger is touched."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import replace
from decimal import Decimal
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from triage.policy import DEFAULT_POLICY, Policy, load_policy
from triage.routing import Findings, Router
from triage.tuning import (
    Change,
    Costs,
    Example,
    Number,
    Outcome,
    TuningError,
    as_toml,
    propose,
    rewritten,
    tunable,
    with_changes,
)

POLICY, _ = load_policy()
TEXT = DEFAULT_POLICY.read_text(encoding="utf-8")
COSTS = Costs(under=5, over=1)
CALM = Findings(
    text="上周买的电饭煲一直没发货,麻烦看一下",
    primary_type="service",
    types=frozenset({"service"}),
    demands=frozenset(),
    risks=frozenset(),
    intensity=1,
    abstain_code=None,
)
SUM, CONTACTS = Number("large_sum_refused", "min_amount"), Number("repeated_contacts", "min_contacts")


def refused(amount: int, **changes: object) -> Findings:
    return replace(CALM, primary_type="refusal", types=frozenset({"refusal"}), amount=Decimal(amount), **changes)  # type: ignore[arg-type]


def by_hand(policy: Policy, example: Example) -> tuple[int, int]:
    """(right, found) rank of an example, by the router that serves."""
    tiers = list(policy.tiers)
    return tiers.index(example.tier), tiers.index(Router(policy, "").route(example.findings).tier)


SUMS = [Example(refused(1_000 * k), "L3" if k >= 23 else "L2") for k in range(1, 41)]
"""Refused sums of 1,000 to 40,000 yuan, of which people find those from 23,000 on heavy."""
TOLD = [Example(replace(CALM, contacts=k), "L2" if k >= 5 else "L1") for k in range(10)]
"""Contacts up to 9, of which people find those from the fifth on worth a specialist."""
INJURED = [Example(replace(CALM, risks=frozenset({"safety"})), "L1") for _ in range(20)]
"""Tickets of people in danger that somebody labelled as routine."""


def test_the_threshold_people_go_by_is_found_and_costs_nothing() -> None:
    proposal = propose(POLICY, [*SUMS, *TOLD], COSTS)
    assert {change.number: change.after for change in proposal.changes} == {SUM: 23_000, CONTACTS: 5}
    assert proposal.before.cost == pytest.approx((13 + 2) / 50)
    assert proposal.after.cost == 0
    assert proposal.difference.mean == pytest.approx(-15 / 50)
    assert proposal.difference.low < proposal.difference.mean < proposal.difference.high < 0


def test_the_roundest_number_between_two_values_is_proposed() -> None:
    heavy = [Example(refused(38_260 + k), "L3") for k in range(25)]
    light = [Example(refused(27_915 - k), "L2") for k in range(25)]
    (change,) = propose(POLICY, [*heavy, *light], COSTS).changes
    assert change == Change(SUM, Decimal(10_000), Decimal(30_000))


def test_a_number_stays_where_another_would_not_cost_less() -> None:
    proposal = propose(POLICY, [Example(refused(1_000 * k), "L3" if k >= 10 else "L2") for k in range(1, 61)], COSTS)
    assert proposal.changes == ()
    assert proposal.after.cost == proposal.before.cost == 0
    assert rewritten(TEXT, proposal.changes) == TEXT


def test_dear_under_triage_lowers_the_threshold_and_dear_over_triage_raises_it() -> None:
    mixed = [Example(refused(1_000 * k), "L3" if (k >= 15) != (k % 5 == 0) else "L2") for k in range(1, 61)]
    (low,), (high,) = (propose(POLICY, mixed, costs).changes for costs in (Costs(50, 1), Costs(1, 50)))
    assert low.number == high.number == SUM
    assert low.after < tunable(POLICY)[SUM] < high.after


def test_rules_of_the_highest_tier_and_rules_over_risks_are_no_matter_of_cost() -> None:
    for danger in (
        'code = "many_injured"\ntier = "L4"\ntext = "…"\nwhen = { types = ["quality"], min_amount = 50 }',
        'code = "injured_often"\ntier = "L2"\ntext = "…"\nwhen = { risks = ["safety"], min_contacts = 2 }',
    ):
        policy = Policy.model_validate(tomllib.loads(f"{TEXT}\n[[rules]]\n{danger}\n"))
        assert set(tunable(policy)) == set(tunable(POLICY))
    assert all(next(r for r in POLICY.rules if r.code == n.rule).tier != "L4" for n in tunable(POLICY))


def test_no_cost_takes_a_person_in_danger_from_the_highest_tier() -> None:
    examples = [*SUMS, *TOLD, *INJURED]
    proposal = propose(POLICY, examples, Costs(under=0, over=100))
    changed = with_changes(POLICY, proposal.changes)
    assert proposal.changes
    assert all(Router(changed, "").route(example.findings).tier == "L4" for example in INJURED)
    assert proposal.after.confusion[0, 3] == proposal.with_lifts.confusion[0, 3] == len(INJURED)


def test_the_search_counts_as_the_router_that_serves_decides() -> None:
    risky = 'code = "large_sum"\ntier = "L4"\ntext = "…"\nwhen = { min_amount = 35000 }'
    policy = Policy.model_validate(tomllib.loads(f"{TEXT}\n[[rules]]\n{risky}\n"))
    findings = [
        replace(refused(amount), contacts=contacts, age_days=age, intensity=intensity)
        for amount, contacts, age, intensity in product((500, 9_000, 36_000), (0, 3, 7), (None, 12.0, 45.0), (1, 2, 3))
    ]
    examples = [Example(f, ("L1", "L2", "L3", "L4")[n * 7 % 4]) for n, f in enumerate(findings)]
    proposal = propose(policy, examples, COSTS)
    assert proposal.changes
    for decided, outcome in ((policy, proposal.before), (with_changes(policy, proposal.changes), proposal.after)):
        confusion = np.zeros((4, 4), dtype=int)
        for example in examples:
            confusion[by_hand(decided, example)] += 1
        assert confusion.tolist() == outcome.confusion.tolist()


def test_no_single_number_moved_from_a_proposal_would_cost_less() -> None:
    examples = [
        Example(replace(refused(500 * k), contacts=k % 9), ("L1", "L2", "L3")[(k * k) % 3]) for k in range(1, 80)
    ]
    proposal = propose(POLICY, examples, COSTS)
    proposed = with_changes(POLICY, proposal.changes)
    values = {SUM: [500 * k for k in range(1, 80)], CONTACTS: list(range(1, 10))}
    for number, tried in values.items():
        for value in tried:
            policy = with_changes(proposed, [Change(number, Decimal(0), Decimal(value))])
            steps = [found - right for right, found in (by_hand(policy, example) for example in examples)]
            cost = sum(-5 * step if step < 0 else step for step in steps) / len(steps)
            assert cost >= proposal.after.cost - 1e-9


def unsure(probability: float) -> Findings:
    return replace(CALM, probabilities={"refusal": probability})


def test_a_rule_for_what_the_model_nearly_found_is_proposed_where_the_data_say_so() -> None:
    examples = [Example(unsure(k / 200), "L2" if k >= 60 else "L1") for k in range(100)]
    proposal = propose(POLICY, examples, COSTS)
    (lift,) = proposal.lifts
    assert lift.is_proposed
    assert lift.rule.code == "refusal_likely"
    assert lift.rule.checks == lift.rule.before_closing == ()
    assert (proposal.after.cost, proposal.with_lifts.cost) == (2.0, 0.0)
    policy = Policy.model_validate(tomllib.loads(f"{TEXT}\n{as_toml(lift.rule)}"))
    assert all(right == found for right, found in (by_hand(policy, example) for example in examples))


def test_no_rule_is_proposed_on_a_handful_of_chances() -> None:
    examples = [Example(unsure(k / 200), "L2" if k in (31, 64, 95) else "L1") for k in range(100)]
    proposal = propose(POLICY, examples, COSTS)
    assert not any(lift.is_proposed for lift in proposal.lifts)
    assert proposal.with_lifts.cost == proposal.before.cost


def test_a_rule_that_was_added_before_is_tuned_and_not_proposed_again() -> None:
    rule = 'code = "refusal_likely"\ntier = "L2"\ntext = "…"\nwhen = { min_probability = { refusal = 0.45 } }'
    text = f"{TEXT}\n[[rules]]\n{rule}\n"
    examples = [Example(unsure(k / 200), "L2" if k >= 60 else "L1") for k in range(100)]
    proposal = propose(Policy.model_validate(tomllib.loads(text)), examples, COSTS)
    assert proposal.changes == (
        Change(Number("refusal_likely", "min_probability", "refusal"), Decimal("0.45"), Decimal("0.3")),
    )
    assert proposal.lifts == ()
    assert rewritten(text, proposal.changes) == text.replace("refusal = 0.45", "refusal = 0.3")


def test_numbers_chosen_on_chance_cost_more_on_rows_they_were_not_chosen_on() -> None:
    random = np.random.default_rng(3)
    examples = [
        Example(refused(int(a)), ("L2", "L3")[int(random.integers(2))]) for a in random.integers(1, 99_999, 200)
    ]
    proposal = propose(POLICY, examples, Costs(under=1, over=1))
    assert proposal.difference.mean < 0
    assert proposal.held_out.mean > proposal.difference.mean


def test_the_same_examples_give_the_same_proposal() -> None:
    one, other = (propose(POLICY, [*SUMS, *TOLD], COSTS) for _ in range(2))
    assert (one.changes, one.difference, one.held_out) == (other.changes, other.difference, other.held_out)


def test_under_and_over_triage_and_the_load_are_read_off_the_confusion() -> None:
    confusion = np.array([[30, 10, 0, 0], [5, 20, 5, 0], [0, 5, 15, 0], [0, 0, 0, 10]])
    outcome = Outcome(("L1", "L2", "L3", "L4"), confusion, cost=0.0)
    assert (outcome.under_triage, outcome.over_triage) == (0.10, 0.15)
    assert outcome.load(1_500) == pytest.approx({"L1": 525, "L2": 525, "L3": 300, "L4": 150})


def test_only_the_changed_numbers_differ_in_the_text(tmp_path: Path) -> None:
    changes = propose(POLICY, [*SUMS, *TOLD], COSTS).changes
    path = tmp_path / "new.toml"
    path.write_text(rewritten(TEXT, changes), encoding="utf-8")
    assert load_policy(path)[0] == with_changes(POLICY, changes)
    differing = [
        line for line in difflib.ndiff(TEXT.splitlines(), path.read_text("utf-8").splitlines()) if line[0] in "+-"
    ]
    assert differing == [
        '- when = { types = ["refusal"], min_amount = 10000 }',
        '+ when = { types = ["refusal"], min_amount = 23000 }',
        "- when = { min_contacts = 3 }",
        "+ when = { min_contacts = 5 }",
    ]


@pytest.mark.parametrize(
    "written",
    [
        "when = { types = ['refusal'], min_amount = 10_000 }  # 一万",
        'when = { phrases = [\n  "min_contacts",\n  "拒赔",\n], min_amount = 1e4 }',
        "[rules.when]\n# min_amount = 1 was too low\nmin_intensity = 2\nmin_amount = 10000.00",
    ],
)
def test_a_number_is_found_however_it_is_written(written: str) -> None:
    old = 'when = { types = ["refusal"], min_amount = 10000 }'
    assert TEXT.count(old) == 1
    text = TEXT.replace(old, written)
    changed = rewritten(text, [Change(SUM, Decimal(10_000), Decimal(23_000))])
    assert Policy.model_validate(tomllib.loads(changed)).rules != POLICY.rules
    assert changed.replace("23000", "") == text.replace("10_000", "").replace("1e4", "").replace("10000.00", "")


def test_a_number_that_cannot_be_found_in_the_text_is_refused() -> None:
    old = 'when = { types = ["refusal"], min_amount = 10000 }'
    text = TEXT.replace(old, 'when = { phrases = ["min_amount = 10000"], min_amount = 10000 }')
    with pytest.raises(TuningError, match="by hand"):
        rewritten(text, [Change(SUM, Decimal(10_000), Decimal(23_000))])


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(TuningError, match="found 49 examples, expected at least 50"):
        propose(POLICY, [*SUMS, *TOLD][:49], COSTS)


def test_a_tier_the_policy_does_not_have_is_refused() -> None:
    with pytest.raises(TuningError, match=r"found the tier 'L9', expected one of \['L1'"):
        propose(POLICY, [*SUMS, *TOLD, Example(CALM, "L9")], COSTS)
