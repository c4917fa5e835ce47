"""What a ticketing system may rely on: labels that fit the text, the same answer every time, nothing personal kept."""

from __future__ import annotations

import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from triage import Pipeline, Ticket, load_pipeline
from triage.taxonomy import EMOTIONS, names

ROOT = Path(__file__).parents[2]
ANGRY_REFUSAL = (
    "我在你们公司买的医疗险，上个月住院花了两万三，资料全交齐了，结果理赔员说我没有如实告知，直接拒赔！"
    "我投保时根本没人问过我健康情况，这不是欺负人吗！必须把理赔款赔给我，不然我就去银保监局投诉你们！！"
)


def test_an_angry_claim_dispute_goes_to_the_right_desk_with_reasons(pipeline: Pipeline) -> None:
    decision = pipeline.triage(ANGRY_REFUSAL)
    assert decision.primary_type == "refusal"
    assert not decision.abstained
    assert decision.intensity is not None
    assert decision.intensity.level >= 2
    assert "regulator" in {risk.name for risk in decision.risks}
    assert decision.route.tier == "L3"
    assert decision.route.queue == "理赔与退款争议"
    assert {"regulator", "refusal"} <= {reason.code for reason in decision.route.reasons}
    assert set(decision.emotions) == set(names(EMOTIONS))


@pytest.mark.parametrize(
    "text",
    [
        "催收天天打电话骂我，工作也丢了，我真的撑不下去了，昨晚已经写好遗书，不想活了",
        "你们再不把钱还给我，我就从你们公司楼上跳下去，反正我也不想活了",
        "I want to kill myself because of your debt collectors",
    ],
)
def test_a_cry_for_help_reaches_the_life_safety_desk(pipeline: Pipeline, text: str) -> None:
    route = pipeline.triage(text).route
    assert (route.tier, route.queue) == ("L4", "生命安全")


@pytest.mark.parametrize("text", ["这家店天天打着跳楼价的旗号，东西质量真的很差", "气死我了，快递又晚到两天"])
def test_idioms_of_death_are_no_crisis(pipeline: Pipeline, text: str) -> None:
    assert pipeline.triage(text).route.tier != "L4"


def test_suspected_agency_is_checked_and_never_turned_away(pipeline: Pipeline) -> None:
    decision = pipeline.triage(
        "本人XXX，委托某某法务咨询公司代理退保维权，现要求贵司全额退保，如不处理将批量向监管部门投诉，"
        "同意退保并支付服务费后我方可撤诉。（没有的内容自行删掉）"
    )
    assert "illicit" in {score.name for score in decision.types if score.selected}
    assert decision.route.tier >= "L2"
    assert "authorisation_check" in {reason.code for reason in decision.route.reasons}
    assert not decision.abstained


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("\u200b\u200d\ufeff", "empty"),
        ("12345 67890 !!! 🙂🙂", "no_words"),
        ("The delivery was late and nobody answered my emails for two weeks.", "non_chinese"),
        ("噶艮耷苤蘼黢瓞貊鎏砉虢彳亍囿旮旯攉蕤噻", "gibberish"),
    ],
)
def test_what_cannot_be_read_is_handed_to_a_person_without_a_guess(pipeline: Pipeline, text: str, code: str) -> None:
    decision = pipeline.triage(text)
    assert decision.abstained
    assert decision.abstain_reason is not None
    assert decision.abstain_reason.code == code
    assert decision.primary_type is None
    assert decision.types == ()
    assert decision.route.queue == "人工分诊"
    assert decision.receipt.windows == 0


def test_the_repository_s_own_hard_complaints_are_read_far_better_than_by_the_commonest_type(
    pipeline: Pipeline, samples: list[dict]
) -> None:
    right = sum(pipeline.triage(row["text"]).primary_type == row["primary"] for row in samples)
    commonest = Counter(row["primary"] for row in samples).most_common(1)[0][1]
    assert right >= 1.4 * commonest


def test_the_same_text_scores_the_same_alone_after_others_and_beside_them(
    pipeline: Pipeline, samples: list[dict]
) -> None:
    texts = [row["text"] for row in samples[:200]]
    alone = [pipeline.triage(text) for text in texts]
    shuffled = random.Random(1).sample(range(len(texts)), len(texts))
    with ThreadPoolExecutor(8) as pool:
        beside = dict(zip(shuffled, pool.map(pipeline.triage, [texts[i] for i in shuffled]), strict=True))
    assert [beside[i].model_dump_json() for i in range(len(texts))] == [d.model_dump_json() for d in alone]


def test_a_second_pipeline_replays_the_first_one_s_decisions(pipeline: Pipeline, samples: list[dict]) -> None:
    again = load_pipeline(ROOT / "models")
    for row in samples[:20]:
        ticket = Ticket(text=row["text"], ticket_id=row["id"], source="crm")
        assert again.triage(ticket).model_dump_json() == pipeline.triage(ticket).model_dump_json()


def test_the_decision_id_names_ticket_text_and_versions(pipeline: Pipeline) -> None:
    def decision_id(**fields: str) -> str:
        return pipeline.triage(Ticket(**{"text": "客服不回复", "ticket_id": "1", "source": "a", **fields})).decision_id

    assert decision_id() == decision_id()
    assert (
        len({decision_id(), decision_id(text="客服不理人"), decision_id(ticket_id="2"), decision_id(source="b")}) == 4
    )


def test_evidence_indexes_the_original_text_and_supports_what_was_selected(
    pipeline: Pipeline, samples: list[dict]
) -> None:
    shown = 0
    for row in samples:
        decision = pipeline.triage(row["text"])
        selected = {s.name for s in (*decision.types, *decision.demands, *decision.risks) if s.selected} | {"intensity"}
        for item in decision.evidence:
            assert item.label in selected
            assert 0 <= item.start < item.end <= len(row["text"])
            assert item.weight > 0
            if not item.text.startswith("<"):
                assert item.text == row["text"][item.start : item.end]
                shown += 1
    assert shown > len(samples)


def test_evidence_of_a_cleaned_text_points_into_the_uncleaned_one(pipeline: Pipeline) -> None:
    text = "　　客\u200b服（kè）态度恶劣，ｗｗｗ，拒絕退款！！！！！！！"
    for item in pipeline.triage(text).evidence:
        assert text[item.start : item.end] == item.text


def test_personal_numbers_never_reach_the_decision(pipeline: Pipeline) -> None:
    text = (
        "我叫张三，电话13800000000，身份证11010519491231002X，卡号6222 0210 0111 6245 003，客服一直骂人，要求退款道歉！"
    )
    decision = pipeline.triage(Ticket(text=text, ticket_id="t-1"))
    stored = decision.model_dump_json() + pipeline.prepare(Ticket(text=text)).text
    for secret in ("13800000000", "11010519491231002X", "6222", "5003"):
        assert secret not in stored
    for item in decision.evidence:
        assert not any(c.isdigit() for c in item.text)


def test_a_cry_for_help_in_the_middle_of_a_long_letter_is_not_lost(pipeline: Pipeline) -> None:
    calm = "我于上月在贵司办理了一份业务，工作人员介绍了产品的内容和费用，合同寄到家里后我放在抽屉里没有细看。"
    letter = calm * 20 + "被催收逼成这样，我已经不想活了，准备今晚就自杀。" + calm * 20
    decision = pipeline.triage(letter)
    assert decision.receipt.windows > 1
    assert decision.route.tier == "L4"


def test_the_receipt_names_everything_needed_to_replay(pipeline: Pipeline) -> None:
    receipt = pipeline.triage("客服不回复").receipt
    aliases = json.loads((ROOT / "models" / "aliases.json").read_text(encoding="utf-8"))
    assert receipt.model.startswith(aliases["champion"] + "+")
    assert receipt.taxonomy
    assert "+" in receipt.policy
    assert len(receipt.text_sha256) == 64
    assert receipt.windows == 1


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"text": ""}, "text"),
        ({"text": "  \n "}, "text"),
        ({"text": "好" * 20_001}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": 7}, "text"),
        ({"text": "好", "priority": 1}, "priority"),
        ({"text": "好", "received_at": "2026-11-21T10:00:00"}, "received_at"),
        ({"text": "好", "ticket_id": ""}, "ticket_id"),
    ],
)
def test_a_bad_ticket_is_refused_by_the_field_s_name(fields: dict, named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Ticket.model_validate_json(json.dumps(fields))
    assert refused.value.errors()[0]["loc"][0] == named


def test_a_lone_surrogate_is_refused_by_the_field_s_name() -> None:
    with pytest.raises(ValidationError) as refused:
        Ticket(text="\ud800")
    assert refused.value.errors()[0]["loc"] == ("text",)
