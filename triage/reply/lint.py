"""Looks through a draft reply before it is sent: what hurts or binds us, what is missing, what is promised."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from triage.redaction import redact
from triage.reply.promises import ZONE, AddWorkdays, Promised, add_weekdays, timed_promises, vague_promises
from triage.reply.wordings import NEAR, NEGATED, WE, Span, objectionable
from triage.taxonomy import OTHER
from triage.text import AlignedText, clean


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Frozen):
    """What a rule objects to: ``draft[start:end]`` is ``text``. An error should be mended before sending."""

    rule: str
    severity: Literal["error", "warning"]
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str
    message: str
    suggestion: str


class Promise(_Frozen):
    """What we say we will do by when; ``due_at`` (Asia/Shanghai) is None where no moment was given or is known."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str
    due_at: AwareDatetime | None


class LintReport(_Frozen):
    """Findings and promises in the order of the draft."""

    findings: tuple[Finding, ...]
    promises: tuple[Promise, ...]


class _Rule(NamedTuple):
    severity: Literal["error", "warning"]
    message: str
    suggestion: str


RULES: dict[str, _Rule] = {
    "empathy_before_facts": _Rule("error", "还没有回应感受就讲事情", "先用一句话说出客户的感受或为不便致歉，再讲事实"),
    "life_safety_first": _Rule(
        "error", "来文有轻生信号，回复没有先问安全", "先问“您现在安全吗”并留在线上，请12356接入，业务以后再谈"
    ),
    "admits_fault_before_finding": _Rule(
        "error", "调查没有结论就认了错", "为不便致歉即可：“很抱歉给您带来不便，我们正在核查”"
    ),
    "vague_promise": _Rule("error", "承诺没有时间，客户无从核对", "写出谁、在几月几日几点之前、做什么"),
    "empty_promise": _Rule("error", "把话说满了，做不到就是再次失信", "只承诺做得到的动作和时间，不承诺结果"),
    "blame_shifting": _Rule("error", "把责任推给了客户、系统或别人", "说我们能做什么，内部与外部的协调由我们承担"),
    "accuses_customer": _Rule("error", "指责了客户的身份或动机", "照常受理；需要核验时请补授权委托书，并说明人人如此"),
    "money_for_withdrawal": _Rule("error", "以撤回投诉或删帖换取退款、赔付", "删去条件；退赔与否只看事实"),
    "personal_data": _Rule("error", "写出了完整的个人信息", "改用掩码，如 138****0000"),
    "missing_next_step": _Rule("error", "没有说下一步由谁、在何时、做什么", "加一句：“我会在某日某时前给您回电”"),
    "cold_phrase": _Rule("warning", "用语生硬，没有说明理由或出路", "换成大白话，并说出原因和还可以怎么办"),
    "past_promise": _Rule("warning", "承诺的时间早于发出时间", "改成发出之后做得到的时间"),
}

_QUOTE = re.compile(r"“[^”]*”|‘[^’]*’|「[^」]*」|『[^』]*』|\"[^\"]*\"")
_OWN_WORDS = re.compile(rf"(?:{WE}|我)的?(?:立场|答复|意见|结论|回复|看法)(?:就?是|如下)?[:,]?$")

_EMPATHY = re.compile(
    r"抱歉|对不[起住]|过意不去|遗憾|寒心|揪心|窝火|憋屈|煎熬|心疼您|气愤|歉意|致歉|道歉|不好意思|(?<![您你])能(?:够|完全)?(?:理解|体会)|(?:非常|很|完全|十分|深深)(?:理解|体会)|理解您|可以理解|体会到|感受"
    r"|着急|焦急|生气|愤怒|委屈|不容易|不好受|辛苦|受累|久等|添了?麻烦|费心|带来了?[^,。]{0,6}(?:不便|困扰|麻烦)|换[作谁]|很?担心您|失望|难过|难受|很难[,。]|您先说"
)
_THANKS = re.compile(r"感谢|谢谢|收到了?您|[已都](?:经)?(?:收到|看)了?")
_DISMISSED = re.compile(r"(?:别|不要|不必|何必|用不着|无法|不能|难以|请您?|希望您)[^,。!?;]{0,4}$")
_HARD_FACT = re.compile(
    r"经(?:我们|我司)?(?:核实|核查|查|调查|了解)|根据|按照|按(?:规定|合同|条款|公司)|不符合|记录显示"
)
_FACT = re.compile(
    rf"{_HARD_FACT.pattern}|由于|因为|条款|规定|系统|原因是|[无不][法能]为您|不能[退赔]|不予|属于|检测|[您你]的?.{{0,12}}(?:已|正在|将|需要|目前)"
)
_SAFETY = re.compile(
    r"安全吗|是否安全|还好吗|在哪里?[,?]|[您你]的安全|身边有没?有?人|陪[着您你伴]|心理援助|危机干预|12356|不挂[断电]|别挂|我(?:就|一直)?在(?:这|听|线)"
    r"|(?:现在|马上|立刻|立即)就?(?:[给为][您你])?[打拨回]个?(?:电话|过去)"
)
_BUSINESS = re.compile(
    r"退款|赔付|理赔|还款|逾期|账单|保单|订单|条款|合同|流程|材料|费用|欠款|征信|核实|受理|减免|协商|分期|工单|贷款|利息|催收"
)
_ASIDE = re.compile(r"放下|放一边|先不[谈说管]|以后再|都?不(?:重要|要紧|急)|不用[想管担]|停下来")
_WHO = re.compile(r"我|本人|专员|主管|同事|师傅|理赔员|工程师|客服|经理|负责人|法务|到账|退回|寄出|送[到达]|收到")


def lint(
    draft: str,
    *,
    primary_type: str | None,
    intensity: int,
    risks: frozenset[str],
    received_at: datetime | None,
    sent_at: datetime | None = None,
    fault_established: bool = False,
    add_workdays: AddWorkdays = add_weekdays,
) -> LintReport:
    """What is wrong with ``draft`` as a reply to what was found, and what it promises. Pure.

    Deadlines count from ``sent_at``, those "after your complaint" from ``received_at``; where it is None they stay
    unresolved. Days end at 23:59:59, 下班 is 18:00, 周五前 includes Friday. Raises ValueError for naive datetimes.
    """
    for name, moment in (("received_at", received_at), ("sent_at", sent_at)):
        if moment is not None and moment.tzinfo is None:
            raise ValueError(
                f"{name}: got {moment} without a time zone, expected one such as 2026-01-31T09:30:00+08:00"
            )
    aligned = clean(draft.replace("\n", "。"))  # one for one: a line ends a sentence, and cleaning would lose it
    text = _QUOTE.sub(lambda quote: _hidden(quote, aligned.text), aligned.text)
    sentences = [match.span() for match in re.finditer(r"[^。!?;]+[。!?;]*", text)]
    sent = None if sent_at is None else sent_at.astimezone(ZONE)
    received = None if received_at is None else received_at.astimezone(ZONE)
    timed = list(timed_promises(text, sentences, sent, received, add_workdays))
    crisis = "self_harm" in risks
    vague = [] if crisis else list(vague_promises(text, sentences, timed))
    hits = [
        *objectionable(text, sentences, fault_established),
        *(("vague_promise", span) for span in vague),
        *(("past_promise", (p.start, p.end)) for p in timed if sent and p.due_at and p.due_at < sent),
    ]
    if crisis and (span := _business_first(text, sentences)):
        hits.append(("life_safety_first", span))
    if intensity >= 1 and (span := _facts_first(text, sentences, intensity)):
        hits.append(("empathy_before_facts", span))
    settled = crisis or (primary_type == OTHER.name and intensity == 0)
    if not settled and not any(_WHO.search(text[slice(*_sentence(sentences, p.start))]) for p in timed):
        hits.append(("missing_next_step", sentences[-1] if sentences else (0, 0)))
    spans = [(rule, aligned.span(*span)) for rule, span in hits]
    spans += (("personal_data", (r.start, r.end)) for r in redact(clean(draft))[1] if r.kind in {"PHONE", "ID", "CARD"})
    promised = [*timed, *(Promised(start, end, None) for start, end in vague)]
    return LintReport(
        findings=tuple(_finding(draft, rule, span) for rule, span in sorted(spans, key=lambda item: item[1])),
        promises=tuple(_promise(draft, aligned, promise) for promise in sorted(promised, key=lambda p: p.start)),
    )


def _finding(draft: str, name: str, span: Span) -> Finding:
    start, end = span
    rule, text = RULES[name], draft[start:end]
    # A landline in a reply is more often our own than the customer's.
    severity = "warning" if name == "personal_data" and text.startswith(("0", "(0", "（0")) else rule.severity
    return Finding(
        rule=name, severity=severity, start=start, end=end, text=text, message=rule.message, suggestion=rule.suggestion
    )


def _promise(draft: str, aligned: AlignedText, promise: Promised) -> Promise:
    start, end = aligned.span(promise.start, promise.end)
    return Promise(start=start, end=end, text=draft[start:end], due_at=promise.due_at)


def _hidden(quote: re.Match[str], text: str) -> str:
    """A quotation of others without its words; our own words in quotation marks stay, as does an all-quoted draft."""
    whole = not (text[: quote.start()] + text[quote.end() :]).strip("。 ")
    if whole or _OWN_WORDS.search(text[: quote.start()]):
        return quote[0]
    return quote[0][0] + "□" * (len(quote[0]) - 2) + quote[0][-1]


def _sentence(sentences: list[Span], at: int) -> tuple[int, int]:
    return next(((start, end) for start, end in sentences if start <= at < end), (at, at))


def _facts_first(text: str, sentences: list[Span], intensity: int) -> Span | None:
    """Where facts come before the first word about the person, or the first sentence where no such word comes."""
    for start, end in sentences:
        sentence = text[start:end]
        felt = [
            m.start()
            for m in _EMPATHY.finditer(sentence)
            if not _DISMISSED.search(sentence[max(0, m.start() - NEAR) : m.start()])
        ]
        felt += [m.start() for m in _SAFETY.finditer(sentence)]
        thanks = [m.start() for m in _THANKS.finditer(sentence)]
        if felt := felt + (thanks if intensity == 1 else []):
            hard = _HARD_FACT.search(sentence)
            return (start, end) if hard and hard.start() < min(felt) else None
        if not thanks and _FACT.search(sentence):
            return start, end
    return sentences[0] if sentences else (0, 0)


def _business_first(text: str, sentences: list[Span]) -> Span | None:
    """Where business comes before the question about safety, or the first sentence where nobody asks."""
    for start, end in sentences:
        sentence = text[start:end]
        safe = [
            m.start()
            for m in _SAFETY.finditer(sentence)
            if not NEGATED.search(sentence[max(0, m.start() - NEAR) : m.start()])
        ]
        business = None if _ASIDE.search(sentence) else _BUSINESS.search(sentence)
        if business and not (safe and min(safe) < business.start()):
            return start, end
        if safe:
            return None
    return sentences[0] if sentences else (0, 0)
