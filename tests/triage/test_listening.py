"""What is heard in a ticket is in the ticket: facts, wishes, feelings, open questions and the five dimensions."""

from __future__ import annotations

import json
import time
from datetime import date, datetime, timedelta, timezone

from triage.listening.facts import extract_facts
from triage.listening.record import Listening, listen
from triage.reading import Reading
from triage.records import Evidence, LabelScore, Level
from triage.redaction import redact
from triage.taxonomy import EMOTIONS, ZH, names
from triage.text import clean

RECEIVED = datetime(2026, 3, 20, 10, tzinfo=timezone(timedelta(hours=8)))  # a Friday
LONG = (
    "昨天下午我在万达广场店买的手机，花了三千五，客服小李说三天内退款，拖了一周了没人理。"
    "上周五打了五次电话都不通，订单号123456789012。"
)


def reading(primary: str | None = "service", demands: tuple[str, ...] = (), anger: int = 0) -> Reading:
    level = Level(level=anger, score=float(anger))
    return Reading(
        types=(),
        primary_type=primary,
        intensity=level,
        emotions={name: level if name == "anger" else Level(level=0, score=0) for name in names(EMOTIONS)},
        demands=tuple(LabelScore(name=n, label=ZH[n], probability=0.9, selected=True) for n in demands),
        risks=(),
        abstain=None,
    )


def prove(text: str, label: str, word: str, weight: float = 1.0) -> Evidence:
    at = text.index(word)
    return Evidence(label=label, start=at, end=at + len(word), text=word, weight=weight)


def hear(text: str, found: Reading, *evidence: Evidence) -> Listening:
    aligned = redact(clean(text))[0]
    return listen(aligned, extract_facts(aligned, RECEIVED), found, evidence)


def test_an_expectation_is_the_clause_around_the_strongest_evidence_of_a_selected_demand() -> None:
    text = "洗衣机漏水，请尽快退款给我！还要道歉，退款别拖。"
    weak = Evidence(label="refund", start=text.rindex("退款"), end=text.rindex("退款") + 2, text="退款", weight=0.1)
    heard = hear(
        text, reading(demands=("refund",)), weak, prove(text, "refund", "退款"), prove(text, "apology", "道歉")
    )
    assert [(c.text, c.names, c.labels) for c in heard.expectations] == [("请尽快退款给我", ("refund",), ("退款退费",))]
    assert text[heard.expectations[0].start : heard.expectations[0].end] == "请尽快退款给我"


def test_two_demands_in_one_clause_share_one_expectation() -> None:
    text = "你们必须退款并道歉，否则没完"
    found = reading(demands=("refund", "apology"))
    heard = hear(text, found, prove(text, "refund", "退款"), prove(text, "apology", "道歉"))
    assert [(c.text, c.names) for c in heard.expectations] == [("你们必须退款并道歉", ("refund", "apology"))]


def test_a_text_without_demands_has_no_expectation_and_is_asked_for_one() -> None:
    text = "前台态度太差，退款也没人管"
    heard = hear(text, reading(), prove(text, "refund", "退款"))
    assert heard.expectations == ()
    assert "expectation" in {m.aspect for m in heard.missing}


def test_a_feeling_is_shown_where_its_evidence_stands_and_never_without_any() -> None:
    text = "等了半天没人理，真是气死我了，还让我再等"
    heard = hear(text, reading(anger=3), prove(text, "intensity", "气死"))
    assert [(c.text, c.labels) for c in heard.emotions] == [("真是气死我了", ("强度",))]
    assert hear(text, reading(anger=3)).emotions == ()
    assert hear(text, reading(anger=0), prove(text, "intensity", "气死")).emotions == ()


def test_evidence_in_original_characters_finds_its_clause_in_a_text_that_cleaning_shortened() -> None:
    text = "！！！！！！！！電話13812345678打不通，我要退款！！！！！！"
    heard = hear(text, reading(demands=("refund",)), prove(text, "refund", "退款"))
    (clause,) = heard.expectations
    assert (clause.text, text[clause.start : clause.end]) == ("我要退款", "我要退款")


def test_no_personal_number_is_copied_into_the_record() -> None:
    text = "客服承诺打我电话13812345678，订单号20260301998877，我要退款到13812345678"
    heard = hear(text, reading(demands=("refund",), anger=2), prove(text, "refund", "退款"))
    shown = heard.model_dump_json()
    assert "13812345678" not in shown
    assert "20260301998877" not in shown
    assert "<PHONE>" in heard.expectations[0].text


def test_what_is_missing_is_asked_once_each_in_words_that_fit_the_type() -> None:
    bare = {m.aspect: m.question for m in hear("太差劲了", reading("quality")).missing}
    assert set(bare) == {"when", "who", "object", "expectation"}
    assert "换货" in bare["expectation"]
    told = hear("昨天客服把我的快递弄丢了", reading("service", ("compensation",)))
    assert told.missing == ()
    assert {m.aspect for m in hear("我要投诉！", reading("service")).missing} >= {"what"}
    for primary in ("quality", "service", "refusal", "illicit", "other", None):
        for missing in hear("啊", reading(primary)).missing:
            assert missing.question.endswith("？")
            assert "您" in missing.question or "请问" in missing.question


def test_the_five_dimensions_of_a_ticket_can_be_counted() -> None:
    text = "3月5号我妈在广东省深圳市的门店买的，昨天客服还说不退，已经拖了两周了"
    dimensions = hear(text, reading("refusal", ("refund",), anger=2)).dimensions
    assert dimensions.time == date(2026, 3, 5)
    assert dimensions.duration_days == 14
    assert dimensions.place == "广东省深圳市"
    assert dimensions.participants == ("family", "staff")
    assert (dimensions.event.type, dimensions.event.demands) == ("refusal", ("refund",))
    assert (dimensions.emotion.name, dimensions.emotion.level, dimensions.emotion.intensity) == ("anger", 2, 2)


def test_a_calm_text_has_no_emotion_in_its_record() -> None:
    assert hear("想问一下发票怎么开", reading("other")).dimensions.emotion.name is None


def test_a_text_that_was_not_read_still_gives_its_facts() -> None:
    heard = hear("昨天付了300元", Reading.silent(None))
    assert {fact.kind for fact in heard.facts} == {"time", "amount"}
    assert heard.dimensions.emotion.intensity is None
    assert "what" in {m.aspect for m in heard.missing}


def test_the_record_survives_json_and_is_the_same_every_time() -> None:
    heard = hear(LONG, reading("refusal", ("refund",)), prove(LONG, "refund", "退款"))
    assert Listening.model_validate_json(heard.model_dump_json()) == heard
    assert hear(LONG, reading("refusal", ("refund",)), prove(LONG, "refund", "退款")) == heard
    assert {f["kind"]: f["yuan"] for f in json.loads(heard.model_dump_json())["facts"]}["amount"] == "3500"


def test_a_thousand_sentences_take_time_in_proportion() -> None:
    def seconds(sentences: int) -> float:
        aligned = redact(clean(LONG * sentences))[0]
        begun = time.process_time()
        listen(aligned, extract_facts(aligned, RECEIVED), reading(), ())
        return time.process_time() - begun

    seconds(10)
    assert seconds(1000) < 30 * max(seconds(100), 0.01)
