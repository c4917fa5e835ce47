"""What is found in a cleaned text, before its place in the original is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

# fmt: off
Kind = Literal["time", "place", "amount", "product", "company", "person", "reference", "duration", "contact",
               "statement", "other_side"]
KIND_ZH: dict[Kind, str] = {
    "time": "时间", "place": "地点", "amount": "金额", "product": "产品", "company": "公司", "person": "人员",
    "reference": "单号", "duration": "持续时间", "contact": "联系次数",
    "statement": "对方答复", "other_side": "对方原话",
}
# fmt: on
STOP = r",。!?;:、\s“”‘’「」『』\""
"""What ends a clause, for use inside brackets."""


class Days(BaseModel):
    """The calendar days from ``first`` to ``last``, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Found:
    """A fact in the cleaned text; ``value`` goes into the field of ``Fact`` that its kind has."""

    kind: Kind
    start: int
    end: int
    value: Days | Decimal | float | str | None = None


def opening(words: str) -> str:
    """A lookahead for the first characters of ``words`` (joined by ``|``): most places are ruled out by one look."""
    return f"(?=[{''.join(sorted({word[0] for word in words.split('|')}))}])"
