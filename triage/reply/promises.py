"""What a reply promises by when: the wordings of a deadline, and the moment each falls due."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain
from typing import NamedTuple
from zoneinfo import ZoneInfo

from triage.reply.wordings import NEAR, REPORTED, Span

ZONE = ZoneInfo("Asia/Shanghai")
AddWorkdays = Callable[[date, int], date | None]
"""``(day, n)`` to the n-th working day after ``day``, which is not counted; None where that is not known."""

_VAGUE = re.compile(
    r"尽快|尽早|马上|立即|立刻|争取|尽量|稍后|过几天|过段时间|及时|第一时间|抓紧|早日|有(?:结果|消息|进展)[了后]?[再会就我]"
)
_NUMBER = r"(?:\d{1,3}|[一二两三四五六七八九十]{1,3}|半)"
_WITHIN = re.compile(
    rf"(?:{_NUMBER}[-~—至到])?(?P<count>{_NUMBER})个?(?P<half>半)?(?P<unit>分钟|小时|钟头|工作日|自然日|天|日|周|星期|礼拜|月)[之以]?内"
)
_BY = re.compile(
    r"(?=[\d今当明后大本这下月周星礼上早中晚傍一二两三四五六七八九十])"
    r"(?P<date>今[天日晚]|当天|明[天日晚]|大?后天|(?P<week>[本这下]?)个?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天])|本?月底"
    r"|(?:(?P<year>\d{4})年)?(?:(?P<month>\d{1,2})月)?(?P<day>\d{1,2})[日号](?![内楼线]))?"
    r"(?P<part>上午|早上|中午|下午|晚上|傍晚)?(?:(?P<hour>\d{1,2}|[一二两三四五六七八九十]{1,3})(?:点|时|:)[钟整]?(?P<minute>\d{2}|半)?分?)?(?P<off>下班)?(?P<by>之?前|以前)?"
)
_ACT = re.compile(
    "回电|回复|答复|联系|告知|告诉|通知|反馈|处理|核[实查对]|查清|解决|安排|[退赔寄送发补换]|上门|到账|跟进|办|[打说拨]|提交|回访|给您|向您|出具|恢复|送达|收到"
)
_THEIRS = re.compile(
    r"[您你](?:可|需|须|在|应)|请(?:[您你]|于|在)|可以?(?:在|申请)|购买|签收|收到货|投保|犹豫期|保质|有效期|质保|逾期|已经?[于在]"
)
_AFTER = re.compile(r"(?:收到|接到|受理|补齐|提交|审核|通过|寄回)[^,。!?;]{0,14}(?:后|起|之日)[^。!?;]{0,4}$")
_COMPLAINT = re.compile(r"投诉|来信|来电|反映|工单")


class Promised(NamedTuple):
    """A promise in the cleaned text; ``due_at`` (Asia/Shanghai) is None where no moment was given or is known."""

    start: int
    end: int
    due_at: datetime | None


def add_weekdays(day: date, days: int) -> date:
    """The ``days``-th Monday-to-Friday after ``day``: knows no holidays; pass a calendar of one's own for those."""
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return day


def vague_promises(text: str, sentences: list[Span], timed: list[Promised]) -> Iterator[Span]:
    """Promises of ours without a time in their sentence or the next one."""
    for number, (start, end) in enumerate(sentences):
        reach = sentences[min(number + 1, len(sentences) - 1)][1]
        if any(start <= promise.start < reach for promise in timed):
            continue
        for match in _VAGUE.finditer(text, start, end):
            before = re.split("[,:]", text[max(start, match.start() - NEAR) : match.start()])[-1]
            after = re.split("[,。!?;]", text[match.end() : min(end, match.end() + NEAR)])[0]
            theirs = re.search(r"(?:请|建议|麻烦|希望|劝)[^,]{0,6}$|[您你](?:可以|能|先|也)?$", before)
            done = re.search(r"(?:已|没能?|未能?|不能|无法)经?(?:够)?$|没有$", before) or REPORTED.search(before)
            at_once = re.match(".{0,4}(?:转接|接通|连线)", after)  # done in the same breath: no deadline to name
            if not (theirs or done or at_once) and _ACT.search(match[0] + after):
                yield match.span()


def timed_promises(
    text: str, sentences: list[Span], sent: datetime | None, received: datetime | None, add_workdays: AddWorkdays
) -> Iterator[Promised]:
    """What we say we will do by a stated time, with the moment it falls due."""
    for start, end in sentences:
        done = start
        matches = sorted(
            chain(_WITHIN.finditer(text, start, end), _BY.finditer(text, start, end)), key=lambda m: m.start()
        )
        for match in matches:
            if match.start() < done or not match[0]:
                continue
            before = text[max(start, match.start() - NEAR) : match.start()]
            if not _is_promise(match, before, text[match.end() : min(end, match.end() + NEAR)]):
                continue
            done = match.end()
            base = sent
            if event := _AFTER.search(before):
                base = received if _COMPLAINT.search(event[0]) else None
            yield Promised(match.start(), match.end(), base and _due(match, base, add_workdays))


def _is_promise(match: re.Match[str], before: str, after: str) -> bool:
    groups = match.groupdict()
    clause, rest = re.split("[,:]", before)[-1], re.split("[,。!?;]", after)[0]
    if "unit" not in groups:
        by = groups["by"]
        if not (groups["date"] or (by and (groups["hour"] or groups["off"]))):
            return False
        if not (by or groups["hour"] or groups["off"]) and not re.search(
            r"[会将就再]|[给为向][您你]|联系[您你]|我|寄出|到账|退回|送达|上门", clause + rest
        ):
            return False
    if re.search("已", rest[:6]) or re.search("[您你](?!的)[^我]{0,4}$", clause) or REPORTED.search(clause):
        return False
    if _THEIRS.search(clause + rest[:8]) and not re.search("我", clause + rest):
        return False
    return bool(_ACT.search(clause + after[:24]))


def _due(match: re.Match[str], base: datetime, add_workdays: AddWorkdays) -> datetime | None:
    """The moment in Asia/Shanghai, or None for a day that is not in the calendar."""
    groups = match.groupdict()
    if "unit" in groups:
        due = _due_within(groups["count"], groups["unit"], base, add_workdays)
        return due + timedelta(minutes=30) if due and groups["half"] and groups["unit"] in {"小时", "钟头"} else due
    try:
        day = _day(groups, base.date())
    except ValueError:
        return None
    part = groups["part"] or ("晚上" if (groups["date"] or "").endswith("晚") else "")
    if groups["hour"] is None:
        last = (
            time(18)
            if groups["off"] or part in {"下午", "傍晚"}
            else time(12)
            if part in {"上午", "早上", "中午"}
            else None
        )
        return _end(day) if last is None else datetime.combine(day, last, ZONE)
    hour = _count(groups["hour"])
    hour += 12 if hour < 12 and (part in {"下午", "傍晚", "晚上"} or (part == "中午" and hour < 6)) else 0
    minute = 30 if groups["minute"] == "半" else int(groups["minute"] or 0)
    if hour > 23 or minute > 59:
        return _end(day) if hour == 24 else None
    due = datetime.combine(day, time(hour, minute), ZONE)
    if groups["weekday"] and not groups["week"] and due < base:
        return due + timedelta(days=7)
    afternoon = due + timedelta(hours=12)  # 今天5点前, written at two o'clock
    return afternoon if due < base < afternoon and not part and hour < 12 and day == base.date() else due


def _due_within(count: str, unit: str, base: datetime, add_workdays: AddWorkdays) -> datetime | None:
    hours = {"分钟": 1 / 60, "小时": 1, "钟头": 1, "天": 24, "月": 15 * 48}
    if count == "半":
        return base + timedelta(hours=hours.get(unit, 24) / 2)
    number = _count(count)
    if unit in {"分钟", "小时", "钟头"}:
        return base + timedelta(hours=hours[unit] * number)
    if unit == "工作日":
        day = add_workdays(base.date(), number)
        return None if day is None else _end(day)
    if unit == "月":
        year, month = divmod(base.year * 12 + base.month - 1 + number, 12)
        return _end(date(year, month + 1, min(base.day, calendar.monthrange(year, month + 1)[1])))
    return _end(base.date() + timedelta(days=number * (7 if unit in {"周", "星期", "礼拜"} else 1)))


def _day(groups: dict[str, str | None], today: date) -> date:
    """The day that was named, seen from ``today``. Raises ValueError for one like the 30th of February."""
    name = groups["date"] or "今天"
    if weekday := groups["weekday"]:
        monday = today - timedelta(days=today.weekday())
        day = monday + timedelta(
            days="一二三四五六日".index(weekday.replace("天", "日")) + (7 if groups["week"] == "下" else 0)
        )
        return day if groups["week"] or day >= today else day + timedelta(days=7)
    if name.endswith("月底"):
        return today.replace(day=calendar.monthrange(today.year, today.month)[1])
    if number := groups["day"]:
        if groups["month"] is None:
            following = today.month % 12 + 1
            month, year = (
                (today.month, today.year) if int(number) >= today.day else (following, today.year + (following == 1))
            )
            return date(year, month, int(number))
        if groups["year"]:
            return date(int(groups["year"]), int(groups["month"]), int(number))
        years = [date(today.year + step, int(groups["month"]), int(number)) for step in (0, 1)]
        return min(years, key=lambda day: abs(day - today))
    return today + timedelta(days=3 if name == "大后天" else {"后": 2, "明": 1}.get(name[0], 0))


def _end(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), ZONE)


def _count(number: str) -> int:
    """The value of 15, 三, 十二 or 二十."""
    if number.isdigit():
        return int(number)
    digits = {char: value for value, char in enumerate("一二三四五六七八九", 1)} | {"两": 2}
    tens, ten, ones = number.rpartition("十")
    return (digits.get(tens, 1) * 10 if ten else 0) + digits.get(ones, 0)
