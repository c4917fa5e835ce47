"""The shipped policy holds what it promises, and a policy that cannot be applied says where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from triage.routing import DEFAULT_POLICY, Findings, PolicyError, load_router

CALM = Findings(
    text="想问一下怎么开发票",
    primary_type="other",
    types=frozenset(),
    demands=frozenset(),
    risks=frozenset(),
    intensity=0,
    abstain_code=None,
)


def found(**changes: object) -> Findings:
    return Findings(**{**{name: getattr(CALM, name) for name in CALM.__dataclass_fields__}, **changes})  # type: ignore[arg-type]


def complaint(type_: str, **changes: object) -> Findings:
    return found(primary_type=type_, types=frozenset({type_}), **changes)


@pytest.mark.parametrize(
    ("findings", "tier", "queue", "code"),
    [
        (CALM, "L1", "咨询建议", "routine"),
        (complaint("service", intensity=1), "L1", "服务投诉", "routine"),
        (complaint("service", intensity=2), "L2", "服务投诉", "angry"),
        (complaint("quality", intensity=3), "L3", "质量处理", "rage"),
        (complaint("refusal"), "L2", "理赔与退款争议", "refusal"),
        (complaint("illicit"), "L2", "授权核验", "authorisation_check"),
        (complaint("service", risks=frozenset({"regulator"})), "L3", "服务投诉", "regulator"),
        (complaint("quality", risks=frozenset({"vulnerable"})), "L2", "质量处理", "vulnerable"),
        (complaint("quality", risks=frozenset({"safety"})), "L3", "质量处理", "safety"),
        (complaint("quality", risks=frozenset({"safety"}), intensity=2), "L4", "人身安全", "personal_injury"),
        (complaint("illicit", risks=frozenset({"self_harm"})), "L4", "生命安全", "life_safety"),
        (found(risks=frozenset({"violence"})), "L4", "生命安全", "violence"),
        (found(primary_type=None, abstain_code="gibberish"), "L1", "人工分诊", "abstained"),
        (found(primary_type=None, abstain_code="low_confidence"), "L2", "人工分诊", "low_confidence"),
        (found(primary_type=None, abstain_code="gibberish", text="…不想活…"), "L4", "生命安全", "crisis_phrase"),
    ],
)
def test_tier_queue_and_reason(findings: Findings, tier: str, queue: str, code: str) -> None:
    route = load_router().route(findings)
    assert (route.tier, route.queue) == (tier, queue)
    assert code in {reason.code for reason in route.reasons}


def test_every_rule_that_fired_is_listed_the_deciding_one_first() -> None:
    route = load_router().route(complaint("refusal", intensity=2, risks=frozenset({"vulnerable", "media"})))
    assert route.reasons[0].code == "media"
    assert {r.code for r in route.reasons} == {"media", "angry", "refusal", "vulnerable"}


def test_the_phrase_that_fired_is_quoted() -> None:
    reasons = load_router().route(found(text="逼得我想死的心都有")).reasons
    assert "想死的心都有" in reasons[0].text


def test_a_policy_file_of_one_s_own_changes_the_receipt(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        DEFAULT_POLICY.read_text(encoding="utf-8").replace("min_intensity = 3", "min_intensity = 2"), "utf-8"
    )
    assert load_router(own).version != load_router().version
    assert load_router(own).route(complaint("service", intensity=2)).tier == "L3"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('tier = "L4"', 'tier = "L9"', "L9"),
        ('risks = ["media"]', 'risks = ["press"]', "press"),
        ("min_intensity = 3", "min_intensity = 4", "min_intensity"),
        ('when = { risks = ["group"] }', "when = {}", "condition"),
        ('illicit = "授权核验"', "", "illicit"),
        ('code = "media"', 'code = "legal"', "legal"),
        ('version = "1.0.0"', "versio = 1", "version"),
        ("[tiers]", "[tiers", "TOML"),
    ],
)
def test_a_wrong_policy_is_refused_and_says_where(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "policy.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=said) as refused:
        load_router(path)
    assert "policy.toml" in str(refused.value)


def test_a_missing_policy_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.toml"):
        load_router(tmp_path / "none.toml")
