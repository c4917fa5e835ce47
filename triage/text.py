"""Cleaning: from the text a customer typed to the text the model reads, with the way back to the original indices."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import opencc

Edit = tuple[int, int, str]
"""``(start, end, replacement)``: what ``text[start:end]`` becomes."""

HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
"""The Han characters, written for use inside a regular expression's brackets."""


@dataclass(frozen=True, slots=True)
class AlignedText:
    """A text whose character ``i`` stands for ``[starts[i], ends[i])`` of the original; both never decrease."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def identity(cls, text: str) -> AlignedText:
        """``text`` as its own original."""
        return cls(text, range(len(text)), range(1, len(text) + 1))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original ``[start, end)`` that ``text[start:end]`` stands for; an empty slice gives an empty span.

        Raises IndexError when the slice does not lie inside the text.
        """
        if not 0 <= start <= end <= len(self.text):
            raise IndexError(f"got the slice [{start}, {end}), expected one inside [0, {len(self.text)})")
        if start < end:
            return self.starts[start], self.ends[end - 1]
        at = self.starts[start] if start < len(self.text) else self.ends[-1] if self.text else 0
        return at, at

    def replace(self, edits: Iterable[Edit]) -> AlignedText:
        """The text after ``edits`` (ascending, not overlapping); each replacement character covers its whole edit."""
        pieces: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        done = 0
        for start, end, replacement in edits:
            pieces += self.text[done:start], replacement
            starts += self.starts[done:start]
            ends += self.ends[done:start]
            if replacement:
                first, last = self.span(start, end)
                starts += [first] * len(replacement)
                ends += [last] * len(replacement)
            done = end
        pieces.append(self.text[done:])
        starts += self.starts[done:]
        ends += self.ends[done:]
        return AlignedText("".join(pieces), starts, ends)


def clean(original: str) -> AlignedText:
    """``original`` in NFKC, simplified Chinese, without invisible characters and pinyin injections, runs folded.

    Any string is accepted. Cleaning a cleaned text changes nothing.
    """
    aligned = _narrowed(original)
    # One step can make work for another (a dropped joiner lets two marks compose, a simplified phrase gives its
    # neighbour another meaning), so the steps are taken until none finds anything: in practice one or two rounds.
    while True:
        before = aligned.text
        for find in (_invisible, _compatible, _injected, _repeated):
            if edits := find(aligned.text):
                aligned = aligned.replace(edits)
        aligned = _simplified(aligned)
        if aligned.text == before:
            return aligned


_WIDE = re.compile(r"[\uff01-\uff5e\u3000]")
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def _narrowed(original: str) -> AlignedText:
    """The fullwidth ASCII of nearly every Chinese text made narrow ahead of NFKC: one for one, so no edits needed."""
    aligned = AlignedText.identity(original)
    if not _WIDE.search(original):
        return aligned
    return AlignedText(original.translate(_NARROW), aligned.starts, aligned.ends)


# What can stand in a finished text wherever it likes: printable ASCII, the Han block, Chinese punctuation.
_UNUSUAL = re.compile(r"[^ -~\u4e00-\u9fff\u3001\u3002\u3008-\u3011\u2018\u2019\u201c\u201d\u2014]+")
_SELECTORS = re.compile(r"[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co"})
_LINE_BREAKS = frozenset("\t\n\v\f\r\x85")


def _invisible(text: str) -> list[Edit]:
    """Controls, formats, surrogates, private characters and variation selectors out; every kind of space to one."""
    edits: list[Edit] = []
    if text.isprintable() and not _SELECTORS.search(text):
        return edits
    for match in _UNUSUAL.finditer(text):
        for i, char in enumerate(match[0], match.start()):
            category = unicodedata.category(char)
            if char in _LINE_BREAKS or category[0] == "Z":
                edits.append((i, i + 1, " "))
            elif category in _DROPPED or _SELECTORS.match(char):
                edits.append((i, i + 1, ""))
    return edits


def _compatible(text: str) -> list[Edit]:
    """NFKC, one edit per shortest stretch that normalises by itself."""
    if unicodedata.is_normalized("NFKC", text):
        return []
    edits = []
    for match in _UNUSUAL.finditer(text):
        start, end = match.span()
        # A mark belongs to the usual character before it.
        first = start if start == 0 or _starts_stretch(text[start]) else start - 1
        cuts = [first, *(i for i in range(max(start, first + 1), end) if _starts_stretch(text[i])), end]
        for left, right in pairwise(cuts):
            normal = unicodedata.normalize("NFKC", text[left:right])
            if normal != text[left:right]:
                edits.append((left, right, normal))
    return edits


def _starts_stretch(char: str) -> bool:
    """Whether no character before ``char`` can reorder or compose with it."""
    first = unicodedata.normalize("NFKD", char)[0]
    vowel_or_final_jamo = "\u1160" <= first <= "\u11ff"
    return not vowel_or_final_jamo and unicodedata.category(first)[0] != "M"


_READING = r"\( ?[a-zêü\u00e0-\u00fc\u0101-\u01dc\u1e3f' ]{1,27}[1-5]? ?\)"
_INJECTION = re.compile(rf"(?<=[{HAN}])(?:{_READING})+")
_HANS = re.compile(f"[{HAN}]")
_TONES = dict.fromkeys(map(ord, "\u0304\u0301\u030c\u0300"))
_FINALS = {
    "": "a o e ai ei ao ou an en ang eng er yi ya ye yao you yan yin yang ying yo yong yu yue yuan yun "
    "wu wa wo wai wei wan wen wang weng",
    "b": "a o ai ei ao an en ang eng i ie iao ian in ing u",
    "p": "a o ai ei ao ou an en ang eng i ie iao ian in ing u",
    "m": "a o e ai ei ao ou an en ang eng i ie iao iu ian in ing u",
    "f": "a o ei ou an en ang eng u",
    "d": "a e ai ei ao ou an en ang eng ong i ia ie iao iu ian ing u uo ui uan un",
    "t": "a e ai ao ou an ang eng ong i ie iao ian ing u uo ui uan un",
    "n": "a e ai ei ao ou an en ang eng ong i ie iao iu ian in iang ing u uo uan ü üe v ve ue",
    "l": "a o e ai ei ao ou an ang eng ong i ia ie iao iu ian in iang ing u uo uan un ü üe v ve ue",
    "g": "a e ai ei ao ou an en ang eng ong u ua uo uai ui uan un uang",
    "k": "a e ai ei ao ou an en ang eng ong u ua uo uai ui uan un uang",
    "h": "a e ai ei ao ou an en ang eng ong u ua uo uai ui uan un uang",
    "j": "i ia ie iao iu ian in iang ing iong u ue uan un",
    "q": "i ia ie iao iu ian in iang ing iong u ue uan un",
    "x": "i ia ie iao iu ian in iang ing iong u ue uan un",
    "zh": "a e i ai ei ao ou an en ang eng ong u ua uo uai ui uan un uang",
    "ch": "a e i ai ao ou an en ang eng ong u ua uo uai ui uan un uang",
    "sh": "a e i ai ei ao ou an en ang eng u ua uo uai ui uan un uang",
    "r": "e i ao ou an en ang eng ong u ua uo ui uan un",
    "z": "a e i ai ei ao ou an en ang eng ong u uo ui uan un",
    "c": "a e i ai ao ou an en ang eng ong u uo ui uan un",
    "s": "a e i ai ao ou an en ang eng ong u uo ui uan un",
}
_SYLLABLES = frozenset(initial + final for initial, finals in _FINALS.items() for final in finals.split())
# Without a tone these are as likely an abbreviation or an English word as a reading: 智能(ai), 局域网(lan).
_NOT_ONLY_PINYIN = re.compile("a|o|e|ai|an|lan|wan|pin|can|ban|fan|men|you|he|she|die|tie|pie|long|song")


def _injected(text: str) -> list[Edit]:
    """Readings in brackets after the characters they read, one syllable per character: 保(bao)险(xian)."""
    if "(" not in text:
        return []
    edits = []
    for match in _INJECTION.finditer(text):
        end = match.start()
        for reading in re.finditer(_READING, match[0]):
            if not _is_reading(reading[0], text[max(0, match.start() - 14) : match.start()]):
                break
            end = match.start() + reading.end()
        if end > match.start():
            edits.append((match.start(), end, ""))
    return edits


def _is_reading(brackets: str, before: str) -> bool:
    syllables = brackets.strip("() ").replace("'", " ").split()
    if not syllables or len(syllables) != len(_HANS.findall(before[-len(syllables) :])):
        return False
    ambiguous = len(syllables) == 1 and _NOT_ONLY_PINYIN.fullmatch(syllables[0])
    return not ambiguous and all(map(_is_syllable, syllables))


def _is_syllable(word: str) -> bool:
    letters = word.rstrip("12345")
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFD", letters).translate(_TONES))
    if letters != word and (plain != letters or len(plain) == 1):
        return False
    return plain in _SYLLABLES


# Stars and underscores stand for masked or blank characters (138****0000, 本人____): their number says something.
_RUN = re.compile(r"([^\w\s*])\1{3,}|\s{2,}|^\s|\s$")


def _repeated(text: str) -> list[Edit]:
    edits = []
    for m in _RUN.finditer(text):
        at_edge = m.start() == 0 or m.end() == len(text)
        edits.append((m.start(), m.end(), m[1] * 3 if m[1] else "" if at_edge else " "))
    return edits


@cache
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def _simplified(aligned: AlignedText) -> AlignedText:
    text = aligned.text
    convert = _converter().convert
    simplified = convert(text)
    if len(simplified) != len(text):
        simplified = "".join(c if len(s := convert(c)) != 1 else s for c in text)
    return aligned if simplified == text else AlignedText(simplified, aligned.starts, aligned.ends)
