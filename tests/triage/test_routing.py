"""The shipped policy holds what it promises, and a policy that cannot be applied says where it is wrong."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from triage.policy import DEFAULT_POLICY, PolicyError
from triage.routing import Findings, load_router

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
        (complaint("quality", risks=frozenset({"safety"})), "L4", "人身安全", "personal_injury"),
        (complaint("refusal", amount=Decimal(9_999)), "L2", "理赔与退款争议", "refusal"),
        (complaint("refusal", amount=Decimal(10_000)), "L3", "理赔与退款争议", "large_sum_refused"),
        (complaint("service", contacts=2), "L1", "服务投诉", "routine"),
        (complaint("service", contacts=3), "L2", "服务投诉", "repeated_contacts"),
        (complaint("service", age_days=30.0), "L2", "服务投诉", "old_case"),
        (complaint("service", flags=frozenset({"vulnerable"})), "L2", "服务投诉", "vulnerable_customer"),
        (complaint("refusal", flags=frozenset({"vip"})), "L3", "理赔与退款争议", "vip_refusal"),
        (complaint("service", text="有人拿我的身份证贷了六万"), "L4", "合规风控", "stolen_identity"),
        (complaint("service", text="保单回执上的签字根本不是我签的"), "L4", "合规风控", "stolen_identity"),
        (found(text="新闻说有人身份证被冒用,怎么防范"), "L1", "咨询建议", "routine"),
        (complaint("illicit", text="退保群里统一发话术,退成了抽三成"), "L4", "合规风控", "organised_ring"),
        (complaint("service", text="催收天天打给我父母和单位领导"), "L3", "服务投诉", "abusive_collection"),
        (complaint("service", text="快递员打给我父母说件到了"), "L1", "服务投诉", "routine"),
        (complaint("service", text="你们的业务员私吞了保费"), "L3", "服务投诉", "serious_misconduct"),
        (complaint("service", text="莫名其妙被扣了199元年费"), "L2", "服务投诉", "fees_disputed"),
        (complaint("service", text="我的住址和电话被泄露给了中介"), "L2", "服务投诉", "personal_data"),
        (complaint("service", text="反映了好几次,至今没人管"), "L2", "服务投诉", "repeated_contacts_said"),
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
        DEFAULT_POLICY.read_text(encoding="utf-8").replace("min_intensity = 3", "min_intensity = 1"), "utf-8"
    )
    assert load_router(own).version != load_router().version
    assert load_router(own).route(complaint("service", intensity=2)).tier == "L3"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('tier = "L4"', 'tier = "L9"', "L9"),
        ('risks = ["media"]', 'risks = ["press"]', "press"),
        ("min_intensity = 3", "min_intensity = 4", "min_intensity"),
        ('"盗刷", ', '"盗刷(", ', "regular expression"),
        ('"自杀", ', '"自殺", ', "can never be found"),
        ("when = { abstained = true }", 'when = { abstained = true, types = ["refusal"] }', "unreachable"),
        ('flags = ["vip"]', 'flags = ["gold"]', "gold"),
        ("up_to = 500\n", "up_to = 9000\n", "larger amount needs a higher tier"),
        ('# "8021" = ["8022"]', '"8021" = ["8022"]\n"8022" = ["8021"]', "circle"),
        ('text = "客户已联系', 'colour = "red"\ntext = "客户已联系', "colour"),
        ('when = { risks = ["group"] }', "when = {}", "condition"),
        ('illicit = "授权核验"', "", "illicit"),
        ('code = "media"', 'code = "legal"', "legal"),
        ('version = "2.1.0"', "versio = 1", "version"),
        ("contacts_within_days = 30", "contacts_within_days = 0", "contacts_within_days"),
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


def test_a_fault_is_named_with_its_line(tmp_path: Path) -> None:
    text = DEFAULT_POLICY.read_text(encoding="utf-8").replace('risks = ["media"]', 'risks = ["press"]', 1)
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    line = 1 + next(number for number, said in enumerate(text.splitlines()) if "press" in said)
    with pytest.raises(PolicyError, match=rf"policy\.toml:{line}: "):
        load_router(path)


def test_rules_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    again = '[[rules]]\ncode = "media_again"\ntier = "L1"\ntext = "…"\nwhen = { risks = ["media"] }\n'
    path = tmp_path / "policy.toml"
    path.write_text(DEFAULT_POLICY.read_text(encoding="utf-8") + again, encoding="utf-8")
    with pytest.raises(PolicyError, match="contradict"):
        load_router(path)


def test_a_suspicion_asks_for_authorisation_and_refuses_nothing() -> None:
    route = load_router().route(complaint("illicit"))
    assert route.tier == "L2"
    assert any("授权委托书" in check for check in route.checks)
    assert any("档案" in check for check in route.checks)


def test_a_refusal_is_closed_only_after_a_compliance_review() -> None:
    assert load_router().route(complaint("refusal")).before_closing == ("合规复核",)
    assert load_router().route(complaint("quality")).before_closing == ()


@pytest.mark.parametrize(
    ("type_", "amount", "tier"),
    [("quality", 500, "L1"), ("quality", 501, "L2"), ("refusal", 200, "L2"), ("refusal", 500_000, "L4")],
)
def test_the_lowest_tier_that_may_settle_follows_from_type_and_amount(type_: str, amount: int, tier: str) -> None:
    assert load_router().route(complaint(type_, amount=Decimal(amount))).may_settle == tier


def test_nobody_may_settle_by_the_matrix_what_has_no_amount() -> None:
    assert load_router().route(complaint("quality")).may_settle is None


def test_named_staff_and_all_who_act_for_them_are_recused(tmp_path: Path) -> None:
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    path = tmp_path / "policy.toml"
    path.write_text(text.replace('# "8021" = ["8022"]', '"8021" = ["8022", "8030"]\n"8022" = ["8040"]'), "utf-8")
    route = load_router(path).route(complaint("service", staff=("8021", "张经理")))
    assert route.recused == ("8021", "8022", "8030", "8040", "张经理")
