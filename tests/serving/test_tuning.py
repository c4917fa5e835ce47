"""``fenzhen policy tune``: what it reads, what it shows, what it writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from serving import cli, startup
from triage.policy import DEFAULT_POLICY

STAFF = ("--staff", "L1=20", "--staff", "L2=8", "--staff", "L3=4", "--staff", "L4=2")
DAY = ("--per-head", "40", "--volume", "1500")
TEXT = "订单一直停在待发货,客服只会让我等,麻烦给个准信"

Tune = Callable[..., Result]


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A labelled complaint as ``data/README.md`` describes it; from the fifth contact on it is a specialist's."""
    contacts = number % 10
    return {
        "id": f"own-{number:03}",
        "text": TEXT,
        "source": "own",
        "licence": "Apache-2.0",
        "types": ["service"],
        "primary": "service",
        "intensity": 1,
        "emotions": {"anger": 1},
        "demands": ["fulfil"],
        "risks": [],
        "previous_contacts": contacts,
        "tier": "L2" if contacts >= 5 else "L1",
    } | changes


@pytest.fixture
def tune(tmp_path: Path, pipeline, monkeypatch: pytest.MonkeyPatch) -> Tune:
    """Run the command on rows, with a pipeline that reads a calm service complaint in every text."""
    monkeypatch.delenv("FENZHEN_POLICY", raising=False)
    monkeypatch.setattr(startup, "open_pipeline", lambda settings: pipeline)

    def run(rows: list[Any], *options: str, staff: tuple[str, ...] = STAFF) -> Result:
        path = tmp_path / "labelled.jsonl"
        lines = (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in rows)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        words = ["policy", "tune", str(path), *staff, *DAY, *options]
        return CliRunner().invoke(cli.app, words, env={"COLUMNS": "160"})

    return run


ROWS = [row(number) for number in range(100)]


def test_costs_before_and_after_and_the_new_number_are_shown(tune: Tune) -> None:
    result = tune(ROWS)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.replace("│", " ").split()) for line in result.stdout.splitlines()]
    assert "now 0.200 0.0% 20.0%" in lines
    assert "proposed 0.000 0.0% 0.0%" in lines
    assert "repeated_contacts min_contacts 3 5 客户就同一事项多次联系仍未解决" in lines
    assert any(line.startswith("Cost per ticket: -0.200 (95 %: -0.2") for line in lines)


def test_a_tier_that_gets_more_than_it_settles_is_named(tune: Tune) -> None:
    result = tune(ROWS)
    assert "Over capacity: now: L2 gets 1,050 tickets a day and settles 320." in result.stdout
    assert "Over capacity: proposed: L2 gets 750 tickets a day and settles 320." in result.stdout
    enough = tune(ROWS, staff=("--staff", "L1=20", "--staff", "L2=27", "--staff", "L3=0", "--staff", "L4=0"))
    assert "Over capacity" not in enough.stdout


def test_the_costs_decide_what_is_proposed(tune: Tune) -> None:
    mixed = [row(number, tier="L2" if number % 10 >= 7 or number % 3 == 0 else "L1") for number in range(100)]
    cheap = tune(mixed, "--under-cost", "0.1", "--over-cost", "1").stdout
    dear = tune(mixed, "--under-cost", "20", "--over-cost", "1").stdout
    assert "│ 3   │ 7        │" in cheap
    assert "│ 3   │ 1        │" in dear


def test_the_file_differs_in_the_number_only_and_passes_the_check(tune: Tune, tmp_path: Path) -> None:
    out = tmp_path / "new.toml"
    result = tune(ROWS, "--out", str(out))
    assert "raise its version" in result.stderr
    shipped = DEFAULT_POLICY.read_text(encoding="utf-8")
    assert out.read_text(encoding="utf-8") == shipped.replace("min_contacts = 3", "min_contacts = 5")
    assert CliRunner().invoke(cli.app, ["policy", "check", str(out)]).exit_code == 0


def test_the_ends_of_lines_are_kept(tune: Tune, tmp_path: Path) -> None:
    own, out = tmp_path / "own.toml", tmp_path / "new.toml"
    own.write_bytes(DEFAULT_POLICY.read_bytes().replace(b"\n", b"\r\n"))
    tune(ROWS, "--policy", str(own), "--out", str(out))
    assert out.read_bytes() == own.read_bytes().replace(b"min_contacts = 3", b"min_contacts = 5")


def test_without_a_tier_the_policy_s_own_on_the_labels_is_the_right_one(tune: Tune) -> None:
    result = tune([{k: v for k, v in row(number).items() if k != "tier"} for number in range(100)])
    assert "No other number would have cost less" in result.stdout
    assert " 0.000 " in result.stdout


def test_nothing_is_written_where_nothing_would_change_or_a_file_stands(tune: Tune, tmp_path: Path) -> None:
    out = tmp_path / "new.toml"
    right = [row(number, tier="L2" if number % 10 >= 3 else "L1") for number in range(100)]
    assert "nothing to change" in tune(right, "--out", str(out)).stderr
    assert not out.exists()
    out.write_text("mine", encoding="utf-8")
    result = tune(ROWS, "--out", str(out))
    assert (result.exit_code, out.read_text(encoding="utf-8")) == (2, "mine")


@pytest.mark.parametrize(
    ("rows", "staff", "said"),
    [
        (ROWS[:49], STAFF, "found 49 examples, expected at least 50"),
        ([*ROWS, row(100, tier="L7")], STAFF, "labelled.jsonl:101: tier: found 'L7', expected one of ['L1'"),
        ([*ROWS, row(100, types=["fraud"])], STAFF, "labelled.jsonl:101: types: unknown label ['fraud']"),
        ([*ROWS, row(100, channel=5)], STAFF, "labelled.jsonl:101: channel: found a number, expected a string"),
        ([*ROWS, '{"id": '], STAFF, "labelled.jsonl:101: body: found a syntax error"),
        ([*ROWS, "[]"], STAFF, "labelled.jsonl:101: body: found an array of 0 items"),
        (ROWS, STAFF[:-2], "--staff: found none of ['L4'], expected TIER=HEADS once for each of ['L1'"),
        (ROWS, (*STAFF, "--staff", "L9=3"), "--staff: found 'L9=3'"),
        (ROWS, (*STAFF[:-1], "L4=two"), "--staff: found 'L4=two'"),
        (ROWS, (*STAFF, "--staff", "L1=3"), "--staff: found 'L1=3'"),
    ],
)
def test_what_cannot_be_tuned_by_is_refused_and_says_why(
    tune: Tune, rows: list[Any], staff: tuple[str, ...], said: str
) -> None:
    result = tune(rows, staff=staff)
    assert result.exit_code == 2
    assert said in result.stderr
