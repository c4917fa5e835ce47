"""Every ticket gets a plan that puts the person first, and a playbook that cannot be applied says where it is wrong."""

from __future__ import annotations

import itertools
import timeit
from datetime import datetime
from pathlib import Path

import pytest

from triage.playbook import DEFAULT_PLAYBOOK, ORDER, PlaybookError, ReplyPlan, load_playbook
from triage.reply.lint import ZONE, lint
from triage.taxonomy import OTHER, RISKS, TYPES, names

BOOK = load_playbook()
OWNERS: list[str | None] = [*names(TYPES), OTHER.name, None]
RISK_SETS = [frozenset[str](), *(frozenset({risk}) for risk in names(RISKS)), frozenset(names(RISKS))]
CASES = list(itertools.product(OWNERS, BOOK.tiers, range(4), RISK_SETS))
SENT = datetime(2026, 3, 2, 9, 0, tzinfo=ZONE)


def plan(
    primary: str | None = "service", tier: str = "L1", intensity: int = 1, *risks: str, staff: tuple[str, ...] = ()
) -> ReplyPlan:
    return BOOK.plan(primary_type=primary, tier=tier, intensity=intensity, risks=frozenset(risks), named_staff=staff)


def moves(found: ReplyPlan) -> list[str]:
    return [move.name for move in found.moves]


def all_plans() -> list[ReplyPlan]:
    return [BOOK.plan(primary_type=p, tier=t, intensity=i, risks=r) for p, t, i, r in CASES]


def test_every_plan_is_whole_and_in_order() -> None:
    for found in all_plans():
        assert moves(found) == sorted(moves(found), key=list(ORDER).index)
        assert {"安抚", "确认", "时限"} <= set(moves(found))
        assert moves(found)[0] in {"陪伴", "安抚"}
        assert len(found.options) >= 2
        assert found.channels
        assert found.must_not_answer
        assert found.must_not_say


def test_plans_without_danger_to_life_offer_a_way_out_before_the_deadline() -> None:
    for (_, _, _, risks), found in zip(CASES, all_plans(), strict=True):
        if "self_harm" not in risks:
            assert moves(found)[-2:] == ["方案", "时限"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case[:3])) + "-" + "+".join(sorted(case[3])))
def test_the_example_wordings_of_a_plan_pass_the_linter(case: tuple[str | None, str, int, frozenset[str]]) -> None:
    primary, tier, intensity, risks = case
    found = BOOK.plan(primary_type=primary, tier=tier, intensity=intensity, risks=risks)
    draft = "".join(move.example for move in found.moves).replace("〔", "").replace("〕", "")
    report = lint(draft, primary_type=primary, intensity=intensity, risks=risks, received_at=None, sent_at=SENT)
    assert report.findings == ()


def test_danger_to_life_puts_everything_else_aside() -> None:
    for primary in OWNERS:
        found = plan(primary, "L1", 3, "self_harm", "media")
        assert moves(found) == ["陪伴", "安抚", "确认", "转接", "时限"]
        assert found.channels[0].name == "电话"
        assert "生命安全" in found.answered_by
        assert any("危机干预" in option.name for option in found.options)
        assert any("钱" in ban.what for ban in found.must_not_say)
        assert not any(word in move.example for move in found.moves for word in ("退款", "赔", "条款", "材料"))


def test_strong_emotion_is_answered_by_voice_and_never_by_a_bot() -> None:
    for primary in OWNERS:
        found = plan(primary, "L2", 3)
        assert found.channels[0].name == "电话"
        assert any("机器人" in excluded.who for excluded in found.must_not_answer)
    assert not any("机器人" in excluded.who for excluded in plan("other", "L1", 0).must_not_answer)


def test_suspected_agency_is_asked_for_authorisation_and_never_accused() -> None:
    found = plan("illicit", "L2", 1)
    confirm = next(move for move in found.moves if move.name == "确认")
    assert "授权委托书" in confirm.example
    assert "预留号码" in confirm.example
    assert any("您是代理" in ban.what for ban in found.must_not_say)
    assert any("时限与其他投诉完全相同" in ban.why for ban in found.must_not_say)


def test_a_refusal_is_explained_in_plain_words_with_a_review_path() -> None:
    for tier in BOOK.tiers:
        found = plan("refusal", tier, 1)
        assert "解释" in moves(found)
        assert any("复核" in option.name for option in found.options)


@pytest.mark.parametrize("risk", ["regulator", "legal", "media"])
def test_with_regulator_court_or_press_a_supervisor_speaks_with_one_voice(risk: str) -> None:
    found = plan("quality", "L1", 0, risk)
    assert found.answered_by == "投诉主管"
    assert any("统一口径" in line for move in found.moves for line in move.guidance)
    assert plan("quality", "L4", 0, risk).answered_by == "合规法务风控负责人"


def test_staff_named_in_the_text_do_not_answer_and_are_listed_once() -> None:
    found = plan(staff=("工号12345", "小李", "小李"))
    assert [excluded.who for excluded in found.must_not_answer][:2] == ["工号12345", "小李"]
    assert [excluded.who for excluded in found.must_not_answer].count("小李") == 1


def test_staff_named_in_one_ticket_are_in_no_other_ticket_s_plan() -> None:
    unnamed = plan("service", "L2", 2)
    assert {"8021", "张经理"} <= {
        item.who for item in plan("service", "L2", 2, staff=("8021", "张经理")).must_not_answer
    }
    assert plan("service", "L2", 2) == unnamed
    assert not {"8021", "张经理"} & {item.who for item in unnamed.must_not_answer}


def test_more_feeling_or_risk_adds_guidance_and_takes_none_away() -> None:
    calm, upset = plan("quality", "L2", 1), plan("quality", "L2", 2, "vulnerable")
    for before in calm.moves:
        after = next(move for move in upset.moves if move.name == before.name)
        if before.name != "安抚":
            assert set(before.guidance) <= set(after.guidance)
    assert {ban.what for ban in calm.must_not_say} < {ban.what for ban in upset.must_not_say}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"primary_type": "fraud"}, "primary_type.*fraud"),
        ({"tier": "L9"}, "tier.*L9"),
        ({"intensity": 4}, "intensity.*4"),
        ({"risks": frozenset({"press"})}, "risks.*press"),
    ],
)
def test_what_the_playbook_does_not_know_is_refused_by_name(wrong: dict[str, object], said: str) -> None:
    known: dict[str, object] = {"primary_type": None, "tier": "L1", "intensity": 0, "risks": frozenset()}
    with pytest.raises(ValueError, match=said):
        BOOK.plan(**{**known, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[types.quality]\nchannels", "[types.quality]\nchanels", "types.quality.chanels"),
        ("[types.abstained", "[types.unsure", "types: expected exactly.*abstained"),
        ("[risks.media]", "[risks.press]", "risks: expected exactly.*media"),
        ("[intensity.3]", "[intensity.4]", "intensity: expected exactly"),
        ('"道歉" = { guidance', '"认错" = { guidance', "types.quality.moves.认错"),
        ('min_tier = "L4"', 'min_tier = "L9"', "risks.self_harm.min_tier.*L9"),
        ('name = "在线"', 'name = "飞鸽"', "types.quality.channels.0.name"),
        (', cons = "要等库存和物流，同批次可能仍有问题"', "", "types.quality.options.0.cons"),
        (', example = "给您带来这些不便，我向您道歉，具体原因我们检测后如实告诉您。"', "", "types.quality.moves.*道歉"),
        ('version = "1.0.0"', "versio = 1", "version"),
        ("[always]\n", "[always\n", "TOML"),
    ],
)
def test_a_wrong_playbook_is_refused_and_says_where(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = DEFAULT_PLAYBOOK.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "own.toml"
    path.write_text(
        text.replace(old, new) if old.startswith("[types.ab") else text.replace(old, new, 1), encoding="utf-8"
    )
    with pytest.raises(PlaybookError, match=said) as refused:
        load_playbook(path)
    assert "own.toml" in str(refused.value)


def test_a_missing_playbook_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match=r"none\.toml"):
        load_playbook(tmp_path / "none.toml")


def test_an_altered_playbook_has_another_version(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(DEFAULT_PLAYBOOK.read_text(encoding="utf-8") + "# ours\n", encoding="utf-8")
    assert load_playbook(path).version != BOOK.version
    assert BOOK.version.startswith("1.0.0+")


def test_a_plan_takes_less_than_a_fifth_of_a_millisecond() -> None:
    best = min(timeit.repeat(lambda: plan("refusal", "L2", 3, "media", "vulnerable"), number=50, repeat=10)) / 50
    assert best < 0.0002
