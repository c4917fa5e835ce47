"""Numbers: how much, how long, how often, in digits or Chinese numerals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from triage.listening.found import STOP, Found

NUMERALS = "零〇一二两三四五六七八九壹贰叁肆伍陆柒捌玖"
_UNITS = dict(zip("十拾百佰千仟k万w亿", (10, 10, 100, 100, 1000, 1000, 1000, 10**4, 10**4, 10**8), strict=True))
_ONE = rf"[0-9]++(?:,[0-9]{{3}}(?![0-9]))*+(?:\.[0-9]++)?+|[{NUMERALS}]点[{NUMERALS}]++"
_RUN = re.compile(
    rf"(?:{_ONE}|[{NUMERALS}十拾半])(?>(?!一[直共分点样再定般旦律同起些])[{NUMERALS}十拾百佰千仟万亿]|(?<=[0-9])[wWkK](?![A-Za-z0-9])|(?<=[千万])[0-9]++)*+"
)
_PART = re.compile(rf"{_ONE}|.")
DIGITS = str.maketrans(dict(zip(NUMERALS, "001223456789123456789", strict=True)) | {"点": ".", "半": "0.5"})
_LARGE = frozenset("百佰千仟万亿wWkK")
_LARGEST = 10**10


def number(written: str) -> Decimal | None:
    """The value of a number in digits or Chinese numerals, 三千五 read as 3500.

    None when it is not one number, or one beyond what anybody pays or counts (ten thousand million).
    """
    total = section = Decimal(0)
    digit: Decimal | None = None
    last, after_zero = 0, False
    for part in _PART.findall(written.lower()):
        unit = _UNITS.get(part)
        if unit is None:
            if digit:
                return None
            after_zero = digit is not None
            digit = Decimal(part.replace(",", "").translate(DIGITS))
        elif unit >= 10**4:
            if last == unit or not (digit or section or total):
                return None
            total, section = (total + section + (digit or 0)) * unit, Decimal(0)
            digit, last = None, unit
        else:
            if 0 < last <= unit or (digit is None and unit != 10):
                return None
            section += (digit or 1) * unit
            digit, last = None, unit
    if digit is not None:
        section += digit * last / 10 if last >= 100 and digit < 10 and not after_zero else digit
    value = total + section
    if value >= _LARGEST:
        return None
    return value if value % 1 else value.quantize(Decimal(1))


_YUAN = re.compile("[多余来]?(?:元(?![旦宵素])|块钱?|圆|人民币|rmb|毛钱?)", re.IGNORECASE)
_TAIL = re.compile(rf"([1-9{NUMERALS}])[毛角]钱?|(?<=块)([1-9一二三四五六七八九])(?=[{STOP}]|的|钱|$)")
_PAID = re.compile(
    rf"(?:[花付交缴转借贷赔退扣欠充亏骗价收费款金存额刷卖买值损]|损失|一共|总共|只给|还要|还给)[^{STOP}]{{0,6}}$"
)
_COST = re.compile("多?的?(?:[一-龥]{0,2}费|钱|理赔|赔款|赔偿|货款|保额|本金|利息|[押定订]金|[存贷]款)")
_AFTER_MONEY = re.compile(rf"多?(?:[{STOP}]|$|[就都]|没了|打水漂)")
_NO_MONEY = re.compile(
    "[美港日欧][元金币]|积分|[多余]?[人次个台件条名户份粉步字里公米平张单遍天小分度毫瓦倍位只辆套项年月号A-Za-z%]"
)
_NO_PRICE = re.compile("(?:粉丝|播放|浏览|里程|销量|点赞|跑了)量?有?$")
_EDGE = re.compile(rf"[{STOP}]|$")


def _amount(text: str, start: int, end: int, value: Decimal) -> Found | None:
    unit = _YUAN.match(text, end)
    if unit is None:
        return _bare_amount(text, start, end, value)
    if unit[0].startswith("毛"):
        return Found("amount", start, unit.end(), value / 10)
    tail = _TAIL.match(text, unit.end())
    if tail:
        return Found("amount", start, tail.end(), value + (number(tail[1] or tail[2]) or Decimal(0)) / 10)
    paid = text[start:end] != "一" and _PAID.search(text, max(0, start - 9), start)
    if unit[0] == "块" and value < 10 and not paid:  # 一块 is mostly "together", 两块 may be two pieces
        return None
    return Found("amount", start, unit.end(), value)


def _bare_amount(text: str, start: int, end: int, value: Decimal) -> Found | None:
    """An amount without 元: ¥300, or a round number in a sentence about paying (花了三千五, 1.5万的保费)."""
    if _NO_MONEY.match(text, end) or _NO_PRICE.search(text, max(0, start - 4), start):
        return None
    if start and text[start - 1] == "¥":
        return Found("amount", start - 1, end, value)
    written = text[start:end]
    if _LARGE.isdisjoint(written):
        return None
    paid = _PAID.search(text, max(0, start - 9), start)
    alone = (start == 0 or _EDGE.match(text, start - 1)) and _EDGE.match(text, end) and written != "二百五"
    sure = paid or alone or _COST.match(text, end) or (written[-1] in "万亿wWkK" and _AFTER_MONEY.match(text, end))
    return Found("amount", start, end, value) if sure else None


_LASTING = re.compile("个?(半)?多?(月|年|天|周|星期|礼拜|个?工作日|小时)(半)?多?")
DAYS_IN = {"月": 30, "年": 365, "天": 1, "日": 1, "周": 7, "星期": 7, "礼拜": 7, "工作日": 1, "小时": 1 / 24}
_NOT_LASTING = re.compile(
    "(?:保修|质保|保质|期限?|[每第前满卡]|用了?|买了?|办了?|承诺|[说在到至]|说好|不到|之内|[0-9])$"
)
_WAITED = re.compile("(?:已经?|拖了?|等了|等待|长达|过了|将近|整整|持续|折腾了?|耗了?)$")
_STILL = re.compile("了(?![就才])|过去|还[没不在]|都[没不]|没|未|仍|依然|至今|无人|不[处理回退给解管发]|以来")
_BOUNDED = re.compile("(?<=一天)[都也没]|[内前后之期]|以[内前后]|了?一次|无理由|定期|的|质保|保修|会员|到账|不等")


def _duration(text: str, start: int, end: int, value: Decimal) -> Found | None:
    unit = _LASTING.match(text, end)
    if unit is None or _BOUNDED.match(text, unit.end()):
        return None
    half_unit = text[start:end] == "半"
    if (unit[0].startswith("月") and not half_unit) or (unit[2] == "年" and value > 20):  # 3月, 2024年: dates
        return None
    before = max(0, start - 4)
    waited = _WAITED.search(text, before, start) or _STILL.match(text, unit.end())
    if _NOT_LASTING.search(text, before, start) or not waited:
        return None
    length = DAYS_IN[unit[2].lstrip("个")]
    half_a_year = 180
    half = half_a_year if length == 365 else length / 2
    days = half if half_unit else float(value) * length + (half if unit[1] or unit[3] else 0)
    return Found("duration", start, unit.end(), round(days, 2))


_REACH = "打|拨|联系|投诉|反映|反馈|沟通|催|找|咨询|报修|跑|致电|申诉|交涉|留言|协商"
_WHOM = "(?:客服|你们|他们|平台|公司|商家|卖家)"
_REACHED = re.compile(rf"(?:{_REACH})[^{STOP}0-9]{{0,8}}$")
_TIMES = re.compile(rf"多?(?:[次遍趟回通](电话|{_REACH})?|个(?:投诉)?(电话))")
_BY_THEM = re.compile("催收|骚扰|给我|[打找]我|联系我|接到|收到|被")
_OFTEN = re.compile(
    rf"(?:好几次|几十次|十几次|无数次|多次|数次|反复|三番五次|一再)给?{_WHOM}{{0,2}}(?:打电话|{_REACH})"
    rf"|(?:打电话|{_REACH}){_WHOM}?(?:电话)?[了过]?(?:好几|几十|十几|无数|好多|很多|多)[次遍趟回]"
)


def _contact(text: str, start: int, end: int, value: Decimal) -> Found | None:
    times = _TIMES.match(text, end)
    before = max(0, start - 12)
    if times is None or value != int(value) or _BY_THEM.search(text, before, start):
        return None
    reached = _REACHED.search(text, before, start)
    told = reached is not None or times[1] or times[2]
    if not told or (value == 1 and not (reached and set("了过") & set(reached[0]))):  # 最多跑一次 is a slogan
        return None
    return Found("contact", reached.start() if reached else start, times.end(), int(value))


_COUNTABLE = re.compile("[多余个半]{0,3}[元块圆人rR毛年天周星礼工小次遍趟回通电投]|[多余个半]{1,3}月|(?<=半)月")


def counted(text: str) -> Iterator[Found]:
    """Every amount, duration and number of contacts that is certain."""
    for run in _RUN.finditer(text):
        start, end = run.span()
        before = text[max(0, start - 1) : start]
        if (before.isascii() and (before.isalnum() or before in {".", "_", "-"})) or before in {"几", "数"}:
            continue  # the end of a longer number, a model or order number, or 几十
        if before != "¥" and not _COUNTABLE.match(text, end) and _LARGE.isdisjoint(run[0]):
            continue  # 一直, 十分: by far the most frequent, so told apart cheaply
        value = number(run[0])
        if value is None:
            continue
        for rule in (_amount, _duration, _contact):
            if found := rule(text, start, end, value):
                yield found
                break
    for match in _OFTEN.finditer(text):
        yield Found("contact", *match.span())
