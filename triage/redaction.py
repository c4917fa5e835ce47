"""Masking of personal data: what is found becomes a typed placeholder, and nothing found is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from triage.redaction_rules import FAMILIES
from triage.text import AlignedText, clean


@dataclass(frozen=True, slots=True)
class Redaction:
    """``[start, end)`` of the original text was masked as ``kind``; the content itself is not kept."""

    kind: str
    start: int
    end: int


def redact(text: AlignedText) -> tuple[AlignedText, tuple[Redaction, ...]]:
    """The cleaned ``text`` with personal data replaced by ``<PHONE>`` and the like, and what was masked where.

    The masked text still indexes the original. Placeholders already in the text are left alone.
    """
    redactions: list[Redaction] = []
    # A mask changes what stands beside it, so a second look follows the first: masking a masked text changes nothing.
    while found := _find(text.text):
        redactions += (Redaction(kind, *text.span(start, end)) for start, end, kind in found)
        text = text.replace((start, end, f"<{kind}>") for start, end, kind in found)
    return text, tuple(sorted(redactions, key=lambda r: (r.start, r.end)))


def redact_json(value: JsonValue) -> JsonValue:
    """A copy of ``value`` with personal data masked in every string, key and number; a masked number becomes a string.

    A key introduces its value, so ``{"微信": "abcdef"}`` is masked as the sentence 微信:abcdef would be.
    """
    return _masked_json(value, "")


def is_personal(identifier: str) -> bool:
    """Whether ``identifier`` holds a phone number, ID number, card number or e-mail address."""
    return any(r.kind in {"PHONE", "ID", "CARD", "EMAIL"} for r in redact(clean(identifier))[1])


def _masked(value: str, introduction: str) -> str:
    """``value`` with personal data masked and everything else as it was, character for character."""
    original = introduction + value
    pieces: list[str] = []
    done = len(introduction)
    for redaction in redact(clean(original))[1]:
        start = max(redaction.start, done)
        if start < redaction.end:
            pieces += original[done:start], f"<{redaction.kind}>"
            done = redaction.end
    return "".join([*pieces, original[done:]])


def _masked_json(value: JsonValue, introduction: str) -> JsonValue:
    if isinstance(value, dict):
        masked: dict[str, JsonValue] = {}
        for key, item in value.items():
            name = shown = _masked(key, "")
            number = 1
            while name in masked:
                number += 1
                name = f"{shown}#{number}"
            masked[name] = _masked_json(item, f"{key}:")
        return masked
    if isinstance(value, list):
        return [_masked_json(item, introduction) for item in value]
    if isinstance(value, str):
        return _masked(value, introduction)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        plain = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        shown = _masked(plain, introduction)
        return value if shown == plain else shown
    return value


def _matches(text: str) -> Iterator[tuple[int, int, str]]:
    for gate, rules in FAMILIES:
        if not gate.search(text):
            continue
        for rule in rules:
            group = rule.pattern.groups
            for match in rule.pattern.finditer(text):
                if rule.accepts is None or rule.accepts(match[group]):
                    yield match.start(group), match.end(group), rule.kind


def _find(text: str) -> list[tuple[int, int, str]]:
    """What to mask, ascending: of overlapping matches the longest wins, then the earlier rule."""
    found: list[tuple[int, int, str]] = []
    taken = bytearray(len(text))
    for start, end, kind in sorted(_matches(text), key=lambda match: match[0] - match[1]):
        if not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            found.append((start, end, kind))
    return sorted(found)
