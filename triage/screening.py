"""Screening: which texts cannot be triaged at all, told before the network runs."""

from __future__ import annotations

import re

from triage import words
from triage.records import Reason
from triage.text import HAN

_EMPTY = Reason(code="empty", text="清洗后没有剩下任何内容，无法判断。")
_NO_WORDS = Reason(code="no_words", text="只有数字、标点、表情或已脱敏的内容，没有文字，无法判断。")
_NON_CHINESE = Reason(code="non_chinese", text="中文内容太少，本服务只判断中文投诉，请转人工查看。")
_GIBBERISH = Reason(code="gibberish", text="文字不成词句，疑似乱码、误触或重复输入，无法判断。")

_PLACEHOLDER = re.compile("<[A-Z]{2,}>")
_LATIN = re.compile("[A-Za-z]+")
_LETTER = re.compile(r"[^\W\d_]")
_HAN = re.compile(f"[{HAN}]+")
_SHOUT = re.compile(rf"([{HAN}])\1{{2,}}")

_LETTERS_PER_WORD = 5
_OTHER_LETTER_WEIGHT = 4
_FOREIGN_PER_HAN = 3


def screen(text: str) -> Reason | None:
    """Why the cleaned, masked ``text`` cannot be triaged; None when it can.

    Codes: ``empty``, ``no_words`` (digits, punctuation, emoji, placeholders only), ``non_chinese``, ``gibberish``.
    Coherent text of another kind (a poem, the news) passes: judging that is the classifier's work.
    """
    if not text.strip():
        return _EMPTY
    text = _PLACEHOLDER.sub(" ", text)
    if not _LETTER.search(text):
        return _NO_WORDS
    han = sum(map(len, _HAN.findall(text)))
    if _is_foreign(text, han):
        return _NON_CHINESE
    return _GIBBERISH if _is_gibberish(text, han) else None


def _is_foreign(text: str, han: int) -> bool:
    """Whether other scripts outweigh ``han`` Han characters: in Latin words, or in kana, hangul and the like."""
    # Were all the rest letters, it would still be too little: true of nearly every complaint.
    if (len(text) - han) * _OTHER_LETTER_WEIGHT <= _FOREIGN_PER_HAN * han:
        return False
    latin = sum(map(len, _LATIN.findall(text)))
    other = len(_LETTER.findall(_HAN.sub("", _LATIN.sub("", text))))
    foreign = latin / _LETTERS_PER_WORD + other * _OTHER_LETTER_WEIGHT
    return foreign > _FOREIGN_PER_HAN * han


# Characters that hold sentences together, Cantonese ones too: real but clumsy writing is full of them.
_BINDING = frozenset(
    "的了不是我你您他她它们有没无在这那就都还也再又很太真要给到把被让叫跟和与说话能会可以得着过个吗呢吧啊么什怎谁为上下来去用只"
    "多少年月日元块退钱款差坏假骗咋俺侬唔嘅咗哋喺佢系冇嚟咁乜畀俾啲嗰"
)
_BOUND = 0.4
_SHORT, _BRIEF = 4, 8
_LEAST_COVERAGE = ((15, 0.14), (30, 0.20), (60, 0.25))
_LEAST_COVERAGE_LONG = 0.30
_RARE = 100

# What fingers on the home row leave behind in a Chinese input method; each may be a word, half a text of them is not.
_MASHED = re.compile(
    "啊?阿斯蒂芬|阿斯顿|发?斯蒂芬|阿萨德|撒旦法?|啊实打实|啊?手动阀|范德萨|撒打发|[打发]发斯|士大夫|大师傅|撒地方|撒的发|沙发上"
    "|发送到|胜多负少|水电费|佛挡杀佛|个?梵蒂冈|[规大]股东|第三方|请问企鹅|热特人|法师打发|发生的|说法是的"
)
_MASHED_SHARE = 0.5
_MASHED_SIGNS = "阿啊斯撒萨佛士"


def _is_gibberish(text: str, han: int) -> bool:
    """Whether the Han characters stand side by side without making words."""
    collapsed = _SHOUT.sub(r"\1", text)
    characters = "".join(_HAN.findall(collapsed))
    if len(characters) == 1:
        return han > _SHORT
    counts = words.frequencies()
    coverage = _coverage(collapsed, counts) / len(characters)
    if len(characters) < _SHORT:
        return coverage == 0 and all(counts.get(c, 0) < _RARE for c in characters)
    if len(characters) < _BRIEF:
        return coverage == 0 and _BINDING.isdisjoint(characters)
    least = next((least for length, least in _LEAST_COVERAGE if len(characters) < length), _LEAST_COVERAGE_LONG)
    if coverage < least:
        return sum(c in _BINDING for c in characters) < _BOUND * len(characters)
    return _is_mashed(characters)


def _is_mashed(characters: str) -> bool:
    if sum(map(characters.count, _MASHED_SIGNS)) * 20 < len(characters):
        return False
    return sum(map(len, _MASHED.findall(characters))) >= _MASHED_SHARE * len(characters)


def _coverage(text: str, counts: dict[str, int]) -> int:
    """How many characters belong to a two-character dictionary word with a neighbour."""
    covered = 0
    inside = False
    for i in range(len(text) - 1):
        is_word = counts.get(text[i : i + 2], 0) > 2
        if is_word:
            covered += 1 if inside else 2
        inside = is_word
    return covered
