"""Moments: what can be told from the calendar and the day the ticket came in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from triage.listening.found import Days, Found
from triage.listening.numerals import DAYS_IN, DIGITS, NUMERALS, number

_REL = "大?前年|去年|今年|明年"
_N = r"(?:[0-9]{1,3}|[一二两三四五六七八九十半]{1,3})"
_MONTH = "(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])月"
_DAY = "(?:[12][0-9]|3[01]|0?[1-9]|[二三]?十[一二三四五六七八九]?|[一二三四五六七八九])[日号]"
_YEAR = rf"(?:(?:20[0-9]{{2}}|[0-9]{{2}}|二[零〇][{NUMERALS}]{{2}})年|(?:{_REL})的?)"
_WEEK = "(?:周|星期|礼拜)"
_THIS_WEEK = "(?:上上个?|上个?|这个?|本|下个?)"
_FEASTS = {
    "双十一": (11, 11, 11, 11),
    "双11": (11, 11, 11, 11),
    "双十二": (12, 12, 12, 12),
    "双12": (12, 12, 12, 12),
    "618": (6, 18, 6, 18),
    "国庆": (10, 1, 10, 7),
    "元旦": (1, 1, 1, 1),
    "五一": (5, 1, 5, 5),
}
_YEARS_AGO = {"大前": 3, "前": 2, "去": 1, "今": 0, "明": -1}
_NEAR = {"大前天": -3, "前天": -2, "后天": 2, "昨": -1, "今": 0, "明": 1}
_TIME = re.compile(
    "(?=[0-9一二两三四五六七八九十半上下这本大前去今明昨后双国元周星礼几不最近当那刚春中端])"
    r"(?:(?P<iso>(?<![0-9])20[0-9]{2}([-./])[0-9]{1,2}\2[0-9]{1,2}(?![0-9]))"
    rf"|(?P<ago>(?<![0-9.]){_N}(?:个半?多?月|月|天|日|周|个?星期|个?礼拜|年)[之以]?前)"
    rf"|(?P<feast>{_YEAR}?(?:双十一|双11|双十二|双12|国庆|元旦|(?<![0-9])618(?=大促|活动|期间|那)|五一(?=[假期劳节放])))"
    rf"|(?P<calendar>(?<![0-9.])(?:{_YEAR}{_MONTH}(?:{_DAY})?|{_MONTH}(?:{_DAY}|份|[初底]|[上中下]旬)|1?[0-9]月"
    rf"|20[0-9]{{2}}年|(?:{_REL})(?![0-9一二三四五六七八九十])))"
    "|(?P<near>大前天|(?<![目以之])前天(?!天)|(?<![之以])后天(?!天)|昨[天日晚夜]|今[天早晚日]|明[天早晚日])"
    rf"|(?P<week>(?<![每一两三四五六七八九十几半0-9]){_THIS_WEEK}?{_WEEK}[一二三四五六日天末]|{_THIS_WEEK}{_WEEK})"
    "|(?P<month>上上个月|上个?月|这个月|本月|下个?月)"
    "|(?P<vague>前几天|前两天|前些天|前段时间|前阵子|几天前|几个月前|不久前|最近|近期|近日|当天|那天|刚才|刚刚|春节|中秋|端午))"
    "(?:的?(?:凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|半夜))?"
    "(?:[0-9]{1,2}(?::[0-9]{2}|[点时](?:半|[0-9]{1,2}分?)?)|[一二两三四五六七八九十]{1,3}点[半钟]?)?"
)


def times(text: str, today: date | None) -> Iterator[Found]:
    """Every time named, with the days it means where they are certain; without ``today`` only full dates are."""
    for match in _TIME.finditer(text):
        kind = str(match.lastgroup)
        try:
            days = _RESOLVE[kind](match[kind], today) if kind in _RESOLVE else None
        except (ValueError, OverflowError):  # 2月30日, or centuries away: a time was named, but no day
            days = None
        yield Found("time", *match.span(), days)


def _iso(written: str, today: date | None) -> Days:
    return _day(date(*map(int, re.split("[-./]", written))))


def _calendar(written: str, today: date | None) -> Days | None:
    head, _, rest = written.rpartition("年")
    month, has_month, day = rest.lstrip("的").partition("月")
    if not has_month:
        return _in_year(head, today, (1, 1, 12, 31))
    first = int(number(month) or 0)
    if day.endswith(("日", "号")):
        at = int(number(day[:-1]) or 0)
        return _in_year(head, today, (first, at, first, at))
    return _in_year(head, today, (first, 1, first, 0))


def _feast(written: str, today: date | None) -> Days | None:
    head, _, name = written.rpartition("年")
    return _in_year(head, today, _FEASTS[name.lstrip("的")])


def _in_year(head: str, today: date | None, days: tuple[int, int, int, int]) -> Days | None:
    """The (month, day) to (month, day) of the year ``head`` names; a last day of 0 is the end of the month.

    Without a year it is the latest one that does not put the first day more than 60 days ahead: 承诺12月5号退款.
    """
    if head and head not in _YEARS_AGO:
        year = int(head.translate(DIGITS))
        year += 2000 if year < 100 else 0
    elif today is None:
        return None
    elif head:
        year = today.year - _YEARS_AGO[head]
    else:
        soon = today + timedelta(days=60)
        year = soon.year if days[:2] <= (soon.month, soon.day) else soon.year - 1
    first = date(year, days[0], days[1])
    return Days(first=first, last=date(year, days[2], days[3]) if days[3] else _month_end(first))


def _ago(written: str, today: date | None) -> Days | None:
    parts = re.match(rf"({_N})个?(半?多?)(.+?)[之以]?前", written)
    count = number(parts[1]) if parts else None
    if today is None or parts is None or not count or parts[2]:
        return None
    if parts[3] == "月":
        return _months_from(today, -int(count)) if count >= 1 else None
    if parts[3] == "年" and count < 1:
        return _months_from(today, -6)
    if parts[3] == "年":
        return _in_year(str(today.year - int(count)), today, (1, 1, 12, 31))
    return _day(today - timedelta(days=int(count * int(DAYS_IN[parts[3]]))))


def _near(written: str, today: date | None) -> Days | None:
    if today is None:
        return None
    return _day(today + timedelta(days=_NEAR[written] if written in _NEAR else _NEAR[written[0]]))


def _week(written: str, today: date | None) -> Days | None:
    """A week runs from Monday to Sunday; a weekday without 上 or 这 is the latest one that is not ahead."""
    if today is None or re.fullmatch(rf"{_WEEK}末", written):
        return None
    monday = today - timedelta(days=today.weekday()) + timedelta(weeks=written.count("下") - written.count("上"))
    if written.endswith(("周", "星期", "礼拜")):
        return Days(first=monday, last=monday + timedelta(days=6))
    if written.endswith("末"):
        return Days(first=monday + timedelta(days=5), last=monday + timedelta(days=6))
    day = monday + timedelta(days="一二三四五六日".index(written[-1].replace("天", "日")))
    return _day(day - timedelta(weeks=1) if written[0] in "周星礼" and day > today else day)


def _months(written: str, today: date | None) -> Days | None:
    return None if today is None else _months_from(today, written.count("下") - written.count("上"))


def _months_from(today: date, months: int) -> Days:
    years, month = divmod(today.month - 1 + months, 12)
    first = date(today.year + years, month + 1, 1)
    return Days(first=first, last=_month_end(first))


def _month_end(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _day(day: date) -> Days:
    return Days(first=day, last=day)


_RESOLVE: dict[str, Callable[[str, date | None], Days | None]] = {
    "iso": _iso,
    "ago": _ago,
    "feast": _feast,
    "calendar": _calendar,
    "near": _near,
    "week": _week,
    "month": _months,
}
