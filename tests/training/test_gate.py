"""The metamorphic gate: its cases, its arithmetic, and the champion before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.gate import GateError, Judgement, read_cases, run_gate, served
from training.promote import GATE_MARGIN, gate_objections
from triage import load_pipeline
from triage.bundle import read_aliases

ROOT = Path(__file__).parents[2]
CASES = ROOT / "data" / "metamorphic"
KINDS = {
    *("negation", "double_negation", "degree", "rhetorical", "sarcasm", "exclamation", "order", "politeness"),
    *("traditional", "fullwidth", "pinyin", "homophone", "inserted", "boilerplate", "swap"),
    *("crisis_buried", "crisis_idiom"),
}


def one_case(folder: Path, **case: object) -> Path:
    folder.mkdir(exist_ok=True)
    row = {"id": "kind-001", "texts": ["一", "二"], "expect": {}, **case}
    (folder / "kind.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def test_every_kind_has_at_least_forty_cases_and_no_text_twice() -> None:
    cases = read_cases(CASES)
    assert set(cases) == KINDS
    for kind, members in cases.items():
        assert len(members) >= 40, kind
        assert len({case.texts[0] for case in members}) == len(members), kind
    every = [case.id for members in cases.values() for case in members]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(
    ("expect", "named"),
    [
        ({"intensity": [[0, 1]]}, "intensity"),
        ({"crisis": [True, False, True]}, "crisis"),
        ({"primary": ["quality", "delivery"]}, "delivery"),
        ({"same": ["mood"]}, "same"),
        ({"tone": 1}, "tone"),
    ],
)
def test_a_case_that_cannot_be_checked_is_named_by_file_and_line(
    tmp_path: Path, expect: dict[str, object], named: str
) -> None:
    with pytest.raises(GateError, match=rf"kind\.jsonl:1: .*{named}"):
        read_cases(one_case(tmp_path, expect=expect))


def test_a_folder_without_cases_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="found none"):
        read_cases(tmp_path)


@pytest.mark.parametrize(
    ("expect", "second", "holds"),
    [
        ({"same": ["primary"]}, Judgement(1.0, 1, primary="service"), True),
        ({"same": ["primary"]}, Judgement(1.0, 1, primary="quality"), False),
        ({"same": ["types"]}, Judgement(1.0, 1, types=frozenset({"service"})), True),
        ({"same": ["types"]}, Judgement(1.0, 1, types=frozenset()), False),
        ({"rising": True}, Judgement(0.97, 1), True),
        ({"rising": True}, Judgement(0.9, 1), False),
        ({"intensity": [None, [2, 3]]}, Judgement(1.4, 1), False),
        ({"intensity": [[0, 1], [1, 3]]}, Judgement(1.4, 1), True),
        ({"joy": [None, 0]}, Judgement(1.0, 1, joy=2), False),
        ({"crisis": [False, True]}, Judgement(1.0, 1, crisis=False), False),
        ({"crisis": [False, True]}, Judgement(1.0, 1, crisis=True), True),
        ({"primary": ["service", "other"]}, Judgement(1.0, 1, primary="service"), False),
    ],
)
def test_what_holds_and_what_does_not(
    tmp_path: Path, expect: dict[str, object], second: Judgement, holds: bool
) -> None:
    first = Judgement(1.0, 1, primary="service", types=frozenset({"service"}), joy=0, crisis=False, tier="L1")
    cases = read_cases(one_case(tmp_path, expect=expect))
    outcome = run_gate(lambda text: first if text == "一" else second, cases)["kind"]
    assert outcome["rate"] == (1.0 if holds else 0.0)
    assert bool(outcome["failed"]) is not holds


def test_a_judge_without_an_opinion_is_not_counted(tmp_path: Path) -> None:
    cases = read_cases(one_case(tmp_path, expect={"same": ["tier"], "crisis": [True, False]}))
    assert run_gate(lambda text: Judgement(1.0, 1), cases)["kind"] == {"cases": 0, "rate": None, "failed": {}}


def test_the_champion_passes_the_gate_as_its_bundle_says() -> None:
    champion = str(read_aliases(ROOT / "models").champion)
    stated = json.loads((ROOT / "models" / champion / "evaluation" / "gate.json").read_text(encoding="utf-8"))
    found = run_gate(served(load_pipeline(ROOT / "models")), read_cases(CASES))
    behind = {
        kind: (outcome["rate"], stated[kind]["rate"])
        for kind, outcome in found.items()
        if outcome["rate"] < stated[kind]["rate"] - GATE_MARGIN
    }
    assert not behind


def test_what_cleaning_undoes_changes_no_decision() -> None:
    """Readings that could be English words, 贴(tie), stay in the text: the reason for the margin on pinyin."""
    cases = {kind: members for kind, members in read_cases(CASES).items() if kind in {"fullwidth", "pinyin"}}
    report = run_gate(served(load_pipeline(ROOT / "models")), cases)
    assert report["fullwidth"]["failed"] == {}
    assert report["pinyin"]["rate"] >= 0.9


def test_a_challenger_that_falls_behind_on_a_kind_is_objected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.promote.load_pipeline", lambda models, bundle: bundle)
    scores = {"new": Judgement(1.0, 1, crisis=True), "old": Judgement(1.0, 1, crisis=False)}
    monkeypatch.setattr("training.promote.served", lambda pipeline: lambda text: scores[pipeline])
    cases = one_case(tmp_path, expect={"crisis": [False, False]})
    assert "kind" in gate_objections(tmp_path, "new", "old", cases)[0]
    assert gate_objections(tmp_path, "old", "new", cases) == []
