"""What counts as personal data: one rule per way of writing it, with the checksums that tell it from any number.

phonenumbers and python-stdnum decide what they know (landlines, check digits); the patterns find the candidates.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass

import phonenumbers
from stdnum import luhn
from stdnum.cn import ric


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        return 1880 <= datetime.date(int(year), int(month), int(day)).year <= 2100
    except ValueError:
        return False


def _digits(found: str) -> str:
    return "".join(c for c in found if c in "0123456789Xx").upper()


_PROVINCES = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")


def _is_id(found: str) -> bool:
    """A passing checksum, or the region and birthday of an ID number: one mistyped digit unmasks nobody."""
    number = _digits(found)
    if len(number) == 15:
        return bool(_PROVINCES.match(number)) and _is_date("19" + number[6:8], number[8:10], number[10:12])
    has_birthday = _is_date(number[6:10], number[10:12], number[12:14])
    return has_birthday and (bool(_PROVINCES.match(number)) or number[-1] == ric.calc_check_digit(number))


def _is_card(found: str) -> bool:
    number = _digits(found)
    return 13 <= len(number) <= 19 and bool(luhn.is_valid(number))


def _is_phone(found: str) -> bool:
    """A possible number of a line somebody owns: service numbers (400, 800, 955xx) are public."""
    try:
        number = phonenumbers.parse(found, "CN")
    except phonenumbers.NumberParseException:
        return False
    public = {phonenumbers.PhoneNumberType.TOLL_FREE, phonenumbers.PhoneNumberType.SHARED_COST}
    return phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) not in public


_DATE = re.compile(r"(?:19|20)[0-9]{2}[-./][01]?[0-9][-./][0-3]?[0-9]")


def _is_serial(found: str) -> bool:
    return sum(map(str.isdigit, found)) >= 4 and not _DATE.fullmatch(found)


_NUMERALS = {
    ord(char): str(digit)
    for digit, chars in enumerate(("零〇", "一幺壹", "二贰两", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖"))
    for char in chars
}


def _is_spelt_mobile(found: str) -> bool:
    number = _digits(found.translate(_NUMERALS))
    return not found.isascii() and bool(re.fullmatch("(?:86)?1[3-9][0-9]{9}", number))


@dataclass(frozen=True, slots=True)
class Rule:
    """Where ``accepts`` agrees, the last group of ``pattern`` (or its whole match) is masked as ``kind``."""

    kind: str
    pattern: re.Pattern[str]
    accepts: Callable[[str], bool] | None


def _compiled(pattern: str) -> re.Pattern[str]:
    # ASCII, so that a Han character beside a Latin letter or a digit is a word boundary.
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


def _rule(kind: str, pattern: str, accepts: Callable[[str], bool] | None = None) -> Rule:
    return Rule(kind, _compiled(pattern), accepts)


_NUMERAL = "0-9" + "".join(map(chr, _NUMERALS))
_GAP = r"[ .·_‐–—-]{1,3}"
_SEP = "[ ‐–—-]?"
_IS = r"[\s:=#\"'“”‘’(\[【「是为叫就]{0,6}"
_FREE = r"(?<![0-9])(?<![0-9]\.)"
_NOT_MONEY = r"(?!\.[0-9]|[万亿]?[元块])"
_END = rf"(?![0-9]){_NOT_MONEY}"
_WHOLE = r"(?![a-z0-9_-])"
_AREA = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_CHAT = r"(?:微信|薇信|威信|[v薇微]信?号|加[v薇微]|(?<![a-z0-9])(?:vx|wx|wechat))"

FAMILIES: tuple[tuple[re.Pattern[str], tuple[Rule, ...]], ...] = (
    (
        _compiled(r"[0-9](?:[ .·_‐–—()-]{0,3}[0-9]){6}"),
        (
            _rule(
                "PHONE",
                rf"{_FREE}(?:(?:\+|00)?86{_SEP}|\(\+?86\) ?)?"
                rf"(?:1[3-9][0-9](?:(?:{_GAP})?[0-9]{{4}}){{2}}|1[3-9][0-9]{{2}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{4}}"
                rf"|1[3-9][0-9]{_GAP}[0-9]{{3}}{_GAP}[0-9]{{5}}|1{_GAP}[3-9](?:{_GAP}[0-9]){{9}}){_END}",
            ),
            _rule(
                "PHONE",
                rf"{_FREE}(?:\+?86{_SEP})?\(?0[1-9][0-9]{{1,2}}\)?{_SEP}[2-9][0-9]{{2,3}}{_SEP}[0-9]{{4}}{_END}",
                _is_phone,
            ),
            _rule("PHONE", rf"{_FREE}(?:\+|00)[1-9][0-9]{{0,2}}(?:[ ()-]{{0,2}}[0-9]){{6,12}}{_END}", _is_phone),
            _rule(
                "PHONE",
                rf"(?:电话|座机|固话|联系方式|致电|来电|(?<![a-z])(?:tel|phone))(?:号码?)?{_IS}"
                rf"((?!9[56]|[48]00|20[0-9]{{2}}[ ‐–—-]20)[2-9][0-9]{{2,3}}{_SEP}[0-9]{{4}}){_END}",
            ),
            _rule("ID", rf"{_FREE}[1-9](?:{_SEP}[0-9]){{16}}{_SEP}[0-9x](?![0-9a-z])", _is_id),
            _rule("ID", rf"{_FREE}[1-8][0-9]{{14}}{_END}", _is_id),
            _rule("ID", rf"(?:身份证|证件|身份)(?:号码?)?{_IS}([0-9](?:{_SEP}[0-9]){{13,16}}{_SEP}[0-9x])(?![0-9a-z])"),
            _rule("CARD", rf"{_FREE}[3-69][0-9]{{3}}(?:{_SEP}[0-9]{{2,4}}){{2,5}}{_END}", _is_card),
            _rule("CARD", rf"卡(?:的?卡?号码?)?{_IS}([0-9](?:{_SEP}[0-9]){{12,18}})(?![0-9])"),
        ),
    ),
    (_compiled("@"), (_rule("EMAIL", r"(?<![\w.%+-])[a-z0-9_.%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+"),)),
    (
        _compiled("[微薇威]信|[v薇微]信?号|加[v薇微]|vx|wx|wechat"),
        (
            _rule(
                "WECHAT",
                rf"{_CHAT}(?:号码?|id|[账帐]号|\s?[:=]){_IS}([a-z][a-z0-9_-]{{4,19}}|[1-9][0-9]{{4,11}}){_WHOLE}{_NOT_MONEY}",
            ),
            _rule(
                "WECHAT",
                rf"{_CHAT}{_IS}((?=[a-z_-]*[0-9])[a-z][a-z0-9_-]{{4,19}}|1[0-9]{{10}}){_WHOLE}",
            ),
            _rule("WECHAT", r"\bwxid_[a-z0-9]{6,}"),
        ),
    ),
    (
        _compiled("qq|扣扣|企鹅|[q球]球|q号"),
        (
            _rule(
                "QQ",
                rf"(?:(?<![a-z0-9])qq|扣扣|企鹅|[q球]球|\bq(?=号))[群号]?(?:号码?)?{_IS}([1-9][0-9]{{4,11}}){_END}",
            ),
        ),
    ),
    (
        _compiled(r"[a-hj-np-z][ ·•.-]?[a-z0-9]{4}"),
        (
            _rule(
                "PLATE",
                rf"[{_AREA}][a-hj-np-z][ ·•.-]?(?=[a-z]{{0,2}}[0-9]|[a-z0-9]{{2}}[0-9]{{3}})"
                r"(?:[a-hj-np-z0-9]{5}|[a-hj-np-z0-9]{4}[挂学警港澳]"
                rf"|[a-hjk][a-hj-np-z0-9][0-9]{{4}}|[0-9]{{5}}[a-hjk]){_WHOLE}",
                lambda found: sum(map(str.isdigit, found)) >= 3,
            ),
        ),
    ),
    (
        _compiled("[0-9][a-z0-9_/-]{0,38}[0-9]"),
        (
            _rule(
                "NUM",
                r"(?:保单|保险单|订单|合同|协议|工单|案件?|投诉|受理|报案|理赔|赔案|运单|快递|物流|交易|流水|支付|退款"
                r"|账户|借据|借款|贷款|发票|客户|会员|用户|户|批单|单|车架|发动机|序列|社保|医保|病历|住院|学)"
                rf"(?:单号|编号|号码|号|id){_IS}([a-z0-9][a-z0-9_/-]{{5,39}}){_WHOLE}",
                _is_serial,
            ),
            _rule(
                "NUM",
                rf"(?:[账帐]号|保单|订单|运单|工单|编号|护照号?码?){_IS}([a-z0-9][a-z0-9_-]{{7,39}}){_WHOLE}{_NOT_MONEY}",
                _is_serial,
            ),
            _rule("NUM", r"\((?:19|20)[0-9]{2}\)[一-龥]{1,2}[0-9]{2,4}[一-龥]{1,4}[0-9]+号"),
        ),
    ),
    (
        re.compile(rf"[{_NUMERAL[3:]}][{_NUMERAL}]?[{_NUMERAL} .、,-]{{6}}"),
        (
            _rule(
                "PHONE",
                rf"(?<![{_NUMERAL}])(?:[{_NUMERAL}][ .、,-]?){{10,12}}[{_NUMERAL}](?![{_NUMERAL}])",
                _is_spelt_mobile,
            ),
        ),
    ),
)
