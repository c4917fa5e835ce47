"""Quotes: what the other side said, in quotation marks or as the customer tells it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from triage.listening.found import STOP, Found

_THEY = (
    "客服|对方|催收(?:人员|员)?|商家|卖家|店家|店长|店员|老板|服务员|(?:工作|理赔|售后)人员|业务员|销售|经理|主管|平台|(?<![我本])公司|(?<![我本])银行|理赔员|专员"
    "|快递员|骑手|司机|师傅|物业|中介|前台|他们|你们|贵[司方]|售后"
)
_SAY = "说|骂|回复|回应|答复|回答|威胁|恐吓|称|表示|告诉|告知|吼|喊|嘲讽|辱骂|扬言|怼|承诺|答应|保证|通知|解释"
_CUE = re.compile(
    rf"(?P<who>{_THEY})(?:(?P<between>[^{STOP}]{{0,10}}?)(?:{_SAY})(?:我们?)?[说道了]?(?:一?[句声])?(?:的?是)?"
    r"(?:[:,](?:还|竟然|居然|直接)?[说称道]?)?|原话(?:是|说)?|(?:发来)?的?(?:短信|微信)|(?=:)):?\s?$"
)
_TO_THEM = re.compile(rf"(?:对|跟|和|给|向|与|冲|朝|告诉|问(?!题)|骂)(?!我)[^{STOP}]{{0,6}}$")
_OURS = re.compile(
    "(?<![对跟向给冲朝把骂和])我|客户|妈|爸|母|父|老公|老婆|孩子|儿子|女儿|老人|家人|朋友|让|叫|听|逼|没"
)
_WE = re.compile(rf"(?:我|你|您|客户|本人)们?[^{STOP}]{{0,8}}(?:{_SAY}|讲|问|写)[^{STOP}]{{0,3}}[:,]?\s?$")
_WORDS = "(?:<[A-Z]+>|[^,。!?;<])"
_REST = rf"{_WORDS}{{1,60}}(?:,(?!但|可是|结果|然而|我|至今|到现在){_WORDS}{{1,40}})?"
_STATEMENT = re.compile(
    rf"(?:{_THEY})(?P<between>[^{STOP}]{{0,12}}?)(?:说(?![明法])|回复|答复|承诺|答应|表示|告知|(?<!名)称|拒绝|推脱|推诿|让我|要求我){_REST}"
    rf"|(?:回复|答复|承诺|答应)我{_REST}"
)
_MARK = re.compile('[“”‘’「」『』"]')
_OPENERS = {"”": "“", "’": "‘", "」": "「", "』": "『", '"': '"'}
_MAX_NESTED = 4
_MAX_QUOTE = 120
"""A longer quotation is more likely a mark somebody forgot to close."""


@dataclass(frozen=True, slots=True)
class Quote:
    """``[start, end)`` of the text it was found in, without the marks; ``unknown`` may well be the customer."""

    start: int
    end: int
    speaker: Literal["other_side", "unknown"]


def quoted_spans(text: str) -> tuple[Quote, ...]:
    """What stands in quotation marks and whose words it surely is, by position, never overlapping.

    A quotation inside another splits it. ``other_side`` only where a cue right before the mark says so (客服骂我:“…”);
    where the customer speaks (我跟客服说“…”) or nobody is named the speaker stays ``unknown``.
    """
    quotes: list[Quote] = []
    around: list[tuple[int, bool]] = []
    done = 0
    for start, end in [*_pairs(text), (len(text) + 1, len(text) + 1)]:
        while around and around[-1][0] < start:
            closed, theirs = around.pop()
            _add(quotes, done, closed, theirs)
            done = closed + 1
        if around:
            _add(quotes, done, start - 1, around[-1][1])
        theirs = end - start <= _MAX_QUOTE and _is_theirs(text, done, start - 1, bool(around) and around[-1][1])
        around.append((end, theirs))
        done = start
    return tuple(quotes)


def own_words(text: str) -> str:
    """The text with every quotation that is surely the other side's blanked by as many spaces, so that offsets stay.

    The routing policy looks for phrases in it, because 客服说“你去死吧” is not the customer's threat.
    """
    pieces: list[str] = []
    done = 0
    for quote in quoted_spans(text):
        if quote.speaker == "other_side":
            pieces += text[done : quote.start], " " * (quote.end - quote.start)
            done = quote.end
    return "".join([*pieces, text[done:]])


def _add(quotes: list[Quote], start: int, end: int, theirs: bool) -> None:
    if start < end:
        quotes.append(Quote(start, end, "other_side" if theirs else "unknown"))


def _pairs(text: str) -> list[tuple[int, int]]:
    """What stands between matching marks, sorted, the outer before the inner; marks without a partner count nothing."""
    pairs: list[tuple[int, int]] = []
    opened: deque[tuple[str, int]] = deque(maxlen=_MAX_NESTED)
    for match in _MARK.finditer(text):
        opener = _OPENERS.get(match[0])
        if opener and any(mark == opener for mark, _ in opened):
            while opened[-1][0] != opener:
                opened.pop()
            pairs.append((opened.pop()[1], match.start()))
        elif opener in {None, '"'}:
            opened.append((match[0], match.end()))
    return sorted(pairs)


def _is_theirs(text: str, begin: int, mark: int, around: bool) -> bool:
    """Whether the words before the mark at ``mark`` say that the other side speaks; else as the quotation around."""
    before = re.split("[。!?;]", text[max(begin, mark - 40) : mark])[-1]
    cue = _CUE.search(before)
    if cue is None:
        return around and not _WE.search(before)
    return not _TO_THEM.search(before, 0, cue.start()) and not _OURS.search(cue["between"] or "")


def said(text: str) -> Iterator[Found]:
    """Every answer of the other side that the customer tells of, and every quotation that is surely theirs."""
    for match in _STATEMENT.finditer(text):
        before = max(0, match.start() - 10)
        if not _TO_THEM.search(text, before, match.start()) and not _OURS.search(match["between"] or ""):
            yield Found("statement", *match.span())
    for quote in quoted_spans(text):
        if quote.speaker == "other_side":
            yield Found("other_side", quote.start, quote.end)
