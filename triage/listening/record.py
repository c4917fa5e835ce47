"""Structured listening 结构化倾听: facts, feelings, expectations, open questions and the five dimensions."""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import date
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from triage.listening.facts import Fact, Kind, Span
from triage.reading import Reading
from triage.records import Evidence
from triage.taxonomy import EMOTIONS, OTHER, ZH, names
from triage.text import AlignedText

Aspect = Literal["what", "when", "who", "object", "expectation"]
ASPECT_ZH: dict[Aspect, str] = {"what": "何事", "when": "何时", "who": "何人", "object": "何物", "expectation": "期望"}
INTENSITY = "intensity"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Clause(Span):
    """A clause that carries the labels: demands of an expectation, or emotions and ``intensity`` of a feeling."""

    names: tuple[str, ...]
    labels: tuple[str, ...] = Field(description="Chinese names, in the order of ``names``.")


class Missing(_Frozen):
    """Something the text does not say, and the one question that asks for it politely."""

    aspect: Aspect
    label: str
    question: str


class Event(_Frozen):
    """What happened, in labels that can be counted: the primary type and the selected demands."""

    type: str | None
    demands: tuple[str, ...]


class Feeling(_Frozen):
    """The strongest emotion, None when none reaches level 1, with its level and the intensity of the whole text."""

    name: str | None
    label: str | None
    level: int = Field(ge=0, le=3)
    intensity: int | None = Field(ge=0, le=3, description="null when the text was not read.")


class Dimensions(_Frozen):
    """Time, space, participants, event and emotion of one ticket: a record to count and group by."""

    time: date | None = Field(description="The earliest day that could be resolved.")
    duration_days: float | None = Field(description="The longest time it is said to have gone on.")
    place: str | None
    participants: tuple[str, ...] = Field(description="Sorted, of: company, customer, family, staff.")
    event: Event
    emotion: Feeling


class Listening(_Frozen):
    """What was heard in one ticket. Nothing in it is invented: every span is a piece of the text."""

    facts: tuple[Fact, ...]
    expectations: tuple[Clause, ...]
    emotions: tuple[Clause, ...]
    missing: tuple[Missing, ...]
    dimensions: Dimensions


def listen(
    aligned: AlignedText, facts: tuple[Fact, ...], reading: Reading, evidence: tuple[Evidence, ...]
) -> Listening:
    """What a ticket says: facts by rules, expectations and feelings where the model's evidence puts them.

    Spans index the original text; their own text is taken from ``aligned``, which is masked.
    """
    demands = {score.name for score in reading.demands}
    felt = {name for name, level in reading.emotions.items() if level.level}
    if reading.intensity is not None and reading.intensity.level:
        felt.add(INTENSITY)
    return Listening(
        facts=facts,
        expectations=_clauses(aligned, _strongest(evidence, demands)),
        emotions=_clauses(aligned, [item for item in evidence if item.label in felt]),
        missing=_missing(aligned.text, facts, reading),
        dimensions=_dimensions(facts, reading),
    )


# A placeholder is one character of a clause: a long clause must not be cut in the middle of one.
_CLAUSE = re.compile(r"(?:<[A-Z]+>|[^,。!?;、\s…]){1,60}")


def _strongest(evidence: tuple[Evidence, ...], labels: set[str]) -> list[Evidence]:
    best: dict[str, Evidence] = {}
    for item in evidence:
        if item.label in labels and (item.label not in best or item.weight > best[item.label].weight):
            best[item.label] = item
    return list(best.values())


def _clauses(aligned: AlignedText, evidence: list[Evidence]) -> tuple[Clause, ...]:
    """The clauses that the evidence starts in, by position; labels that share a clause are listed together."""
    if not evidence:
        return ()
    cuts = [match.span() for match in _CLAUSE.finditer(aligned.text)]
    labels: dict[tuple[int, int], list[str]] = {}
    for item in evidence:
        at = bisect_right(aligned.ends, item.start)  # the first character that reaches beyond where the word begins
        index = bisect_right(cuts, (at, len(aligned.text))) - 1
        if index >= 0 and at < cuts[index][1]:
            carried = labels.setdefault(cuts[index], [])
            if item.label not in carried:
                carried.append(item.label)
    return tuple(
        Clause(
            start=aligned.span(*cut)[0],
            end=aligned.span(*cut)[1],
            text=aligned.text[slice(*cut)],
            names=tuple(carried),
            labels=tuple("强度" if name == INTENSITY else ZH[name] for name in carried),
        )
        for cut, carried in sorted(labels.items())
    )


_SHOWS: dict[Aspect, frozenset[Kind]] = {
    "when": frozenset({"time", "duration"}),
    "who": frozenset({"person", "company"}),
    "object": frozenset({"product", "reference"}),
}
_ONLY_A_WISH = re.compile(r"[我想要]*(?:投诉|举报|反映)(?:你们?|客服|公司|平台|商家|问题|一下)*[!。,.\s]*")
_QUESTIONS: dict[str, dict[Aspect, str]] = {
    "quality": {
        "what": "很抱歉给您添麻烦了，请问商品具体出现了什么问题？",
        "when": "请问您是哪天购买的，问题又是哪天出现的？",
        "who": "请问您是在哪家门店或店铺购买的？",
        "object": "请问是哪一款商品，方便提供订单号吗？",
        "expectation": "请问您希望退货退款，还是换货或维修？",
    },
    "service": {
        "what": "很抱歉让您不愉快了，能请您说说当时的经过吗？",
        "when": "请问这件事是哪天、大约几点发生的？",
        "who": "请问当时接待您的是哪位工作人员，您记得工号或姓氏吗？",
        "object": "请问您当时办理的是哪项业务？",
        "expectation": "请问您希望我们怎样处理，才能让您满意？",
    },
    "refusal": {
        "what": "请问是哪一笔款项没有退还或赔付，对方给出的理由是什么？",
        "when": "请问您是哪天提出申请的，又是哪天收到答复的？",
        "who": "请问是哪个部门或哪位工作人员答复您的？",
        "object": "请问您的订单号或保单号是多少？",
        "expectation": "请问您是希望全额退付，还是可以接受协商方案？",
    },
    "illicit": {
        "what": "请问您要反映的具体是哪件事？",
        "when": "请问这件事发生在什么时候？",
        "who": "请问您是本人办理，还是委托他人代为反映？",
        "object": "请问涉及的是哪一份合同或哪一笔订单？",
        "expectation": "请问您本人希望得到怎样的处理？",
    },
    OTHER.name: {
        "what": "请问您想咨询或反映的是什么事？",
        "when": "请问这件事有时间上的要求吗？",
        "who": "请问这件事涉及哪个部门或哪家门店？",
        "object": "请问您说的是哪项产品或业务？",
        "expectation": "请问还有什么可以帮到您的吗？",
    },
}
_UNREAD: dict[Aspect, str] = {
    "what": "抱歉，我们还没有完全明白您的意思，能请您说说发生了什么事吗？",
    "when": "请问这件事是什么时候发生的？",
    "who": "请问这件事涉及哪家公司或哪位工作人员？",
    "object": "请问涉及的是哪项产品、业务或订单？",
    "expectation": "请问您希望我们怎样帮助您？",
}


def _missing(text: str, facts: tuple[Fact, ...], reading: Reading) -> tuple[Missing, ...]:
    found = {fact.kind for fact in facts}
    absent: dict[Aspect, bool] = {
        "what": reading.primary_type is None or _ONLY_A_WISH.fullmatch(text) is not None,
        **{aspect: found.isdisjoint(kinds) for aspect, kinds in _SHOWS.items()},
        "expectation": not reading.demands,
    }
    return tuple(_ask(reading.primary_type, aspect) for aspect, is_absent in absent.items() if is_absent)


@cache
def _ask(primary_type: str | None, aspect: Aspect) -> Missing:
    questions = _UNREAD if primary_type is None else _QUESTIONS[primary_type]
    return Missing(aspect=aspect, label=ASPECT_ZH[aspect], question=questions[aspect])


def _dimensions(facts: tuple[Fact, ...], reading: Reading) -> Dimensions:
    roles = {fact.role for fact in facts if fact.role}
    companies = {"company" for fact in facts if fact.kind == "company"}
    return Dimensions(
        time=min((fact.resolved.first for fact in facts if fact.resolved), default=None),
        duration_days=max((fact.days for fact in facts if fact.days is not None), default=None),
        place=next((fact.text for fact in facts if fact.kind == "place"), None),
        participants=tuple(sorted(roles | companies)),
        event=Event(type=reading.primary_type, demands=tuple(score.name for score in reading.demands)),
        emotion=_feeling(reading),
    )


def _feeling(reading: Reading) -> Feeling:
    intensity = None if reading.intensity is None else reading.intensity.level
    order = names(EMOTIONS)
    felt = [(level, -order.index(name), name) for name, level in reading.emotions.items() if level.level]
    if not felt:
        return Feeling(name=None, label=None, level=0, intensity=intensity)
    level, _, name = max(felt, key=lambda item: (item[0].level, item[0].score, item[1]))
    return Feeling(name=name, label=ZH[name], level=level.level, intensity=intensity)
