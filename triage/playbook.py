"""Reply plans: 先处理感情，再回应事件. Put together from layers of a versioned file; every plan can be replayed."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from triage.taxonomy import INTENSITY_LEVELS, OTHER, RISKS, TYPES, names

DEFAULT_PLAYBOOK = Path(__file__).with_name("playbook.toml")
ABSTAINED = "abstained"

MoveName = Literal["陪伴", "安抚", "确认", "解释", "道歉", "协调", "处罚", "改正", "转接", "方案", "时限"]
ORDER: tuple[MoveName, ...] = get_args(MoveName)
"""The moves in the order they are made: the person before the matter, the deadline last."""

_EVERY_TYPE: tuple[MoveName, ...] = ("安抚", "确认", "方案", "时限")
_IN_BETWEEN: frozenset[MoveName] = frozenset({"解释", "道歉", "协调", "处罚", "改正"})

Sentence = Annotated[str, Field(min_length=1)]
Item = TypeVar("Item")


class PlaybookError(ValueError):
    """A playbook that cannot be applied; the message names the file, the field and what was expected."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Option(_Strict):
    """A way out to offer, with what speaks for and against it."""

    name: Sentence
    pros: Sentence
    cons: Sentence


class Channel(_Strict):
    """A way to reach the customer, and why this one."""

    name: Literal["电话", "当面", "在线", "书面"]
    why: Sentence


class Exclusion(_Strict):
    """Who must not answer, and why."""

    who: Sentence
    why: Sentence


class Ban(_Strict):
    """What must not be said or done, and why."""

    what: Sentence
    why: Sentence


class MoveText(_Strict):
    """What a layer says about a move; without an example the weaker layer's stays."""

    guidance: Sentence
    example: Sentence | None = None


class Layer(_Strict):
    """What one label adds to a plan."""

    moves: dict[MoveName, MoveText] = {}
    options: tuple[Option, ...] = ()
    channels: tuple[Channel, ...] = ()
    excluded: tuple[Exclusion, ...] = ()
    forbidden: tuple[Ban, ...] = ()

    def lacks(self, required: Iterable[MoveName]) -> str | None:
        """What this layer lacks to be a plan of its own, or None."""
        missing = [move for move in required if move not in self.moves]
        without_example = [move for move, text in self.moves.items() if text.example is None]
        if missing:
            return f"moves: found no {missing}, add them"
        if without_example:
            return f"moves: {without_example} without an example, add one"
        if len(self.options) < 2:
            return f"options: found {len(self.options)}, expected at least two to choose from"
        return None if self.channels else "channels: found none, name at least one"


class TierLayer(Layer):
    """What a tier adds, and who answers there."""

    answered_by: Sentence


class RiskLayer(Layer):
    """What a risk adds; with ``takes_over`` its moves, options and channels stand alone."""

    answered_by: Sentence | None = None
    min_tier: str | None = None
    takes_over: bool = False


class Book(_Strict):
    """A playbook file, immutable once loaded. Tiers stand from lowest to highest, risks from the gravest on."""

    version: Sentence
    always: Layer
    types: dict[str, Layer]
    tiers: dict[str, TierLayer]
    intensity: dict[str, Layer]
    risks: dict[str, RiskLayer]

    @model_validator(mode="after")
    def _is_complete(self) -> Book:
        levels = [str(level) for level in range(len(INTENSITY_LEVELS))]
        for field, expected in (
            ("types", [*names(TYPES), OTHER.name, ABSTAINED]),
            ("intensity", levels),
            ("risks", list(names(RISKS))),
        ):
            if set(found := getattr(self, field)) != set(expected):
                raise ValueError(f"{field}: expected exactly {expected}, found {list(found)}")
        if not self.tiers:
            raise ValueError("tiers: found none, expected at least one")
        for name, layer in self.types.items():
            if lack := layer.lacks(_EVERY_TYPE):
                raise ValueError(f"types.{name}.{lack}")
            if not _IN_BETWEEN & set(layer.moves):
                raise ValueError(f"types.{name}.moves: expected at least one of {sorted(_IN_BETWEEN)}")
        for name, risk in self.risks.items():
            if risk.min_tier is not None and risk.min_tier not in self.tiers:
                raise ValueError(f"risks.{name}.min_tier: {risk.min_tier!r} is not among tiers {list(self.tiers)}")
            if risk.takes_over and (lack := risk.lacks(("安抚", "时限"))):
                raise ValueError(f"risks.{name}.{lack}")
        return self


class Move(_Strict):
    """One step of the reply: what to heed, the general advice first, and one wording to start from."""

    name: MoveName
    guidance: tuple[str, ...]
    example: str


class ReplyPlan(_Strict):
    """How to answer: who, by what channel (the best first), in what order, with which options, and what to leave."""

    answered_by: str
    channels: tuple[Channel, ...]
    moves: tuple[Move, ...]
    options: tuple[Option, ...]
    must_not_answer: tuple[Exclusion, ...]
    must_not_say: tuple[Ban, ...]


class Playbook:
    """Plans replies from one file. ``version`` is what receipts carry: the file's version and its hash."""

    def __init__(self, book: Book, sha256: str) -> None:
        self._book = book
        self.tiers = tuple(book.tiers)
        self.version = f"{book.version}+{sha256[:12]}"

    def plan(
        self,
        *,
        primary_type: str | None,
        tier: str,
        intensity: int,
        risks: frozenset[str],
        named_staff: tuple[str, ...] = (),
    ) -> ReplyPlan:
        """The plan for what was found; ``primary_type`` None is an abstained ticket. Pure.

        Raises ValueError for a type, tier, intensity or risk that the playbook does not know.
        """
        self._check(primary_type or ABSTAINED, tier, intensity, risks)
        stakes = [layer for name, layer in self._book.risks.items() if name in risks]
        asked = [tier, *(layer.min_tier for layer in stakes if layer.min_tier)]
        answering = self._book.tiers[max(asked, key=self.tiers.index)]
        kind = self._book.types[primary_type or ABSTAINED]
        layers: list[Layer] = [*stakes, self._book.intensity[str(intensity)], answering, kind, self._book.always]
        alone = next((layer for layer in stakes if layer.takes_over), None)
        speaking: list[Layer] = [alone] if alone else layers
        named = [Exclusion(who=who, why="来文点名的人员，不得处理涉及本人的投诉") for who in named_staff]
        return ReplyPlan(
            answered_by=next((layer.answered_by for layer in stakes if layer.answered_by), answering.answered_by),
            channels=_distinct((item for layer in speaking for item in layer.channels), lambda item: item.name),
            moves=tuple(_moves(speaking)),
            options=_distinct((item for layer in speaking for item in layer.options), lambda item: item.name),
            must_not_answer=_distinct(
                (*named, *(item for layer in layers for item in layer.excluded)), lambda item: item.who
            ),
            must_not_say=_distinct((item for layer in layers for item in layer.forbidden), lambda item: item.what),
        )

    def _check(self, owner: str, tier: str, intensity: int, risks: frozenset[str]) -> None:
        for field, value, known in (
            ("primary_type", {owner}, self._book.types),
            ("tier", {tier}, self._book.tiers),
            ("intensity", {str(intensity)}, self._book.intensity),
            ("risks", risks, self._book.risks),
        ):
            if unknown := sorted(set(value) - known.keys()):
                raise ValueError(f"{field}: got {unknown}, expected some of {list(known)}")


def load_playbook(path: Path | None = None) -> Playbook:
    """The playbook of a file, by default the one shipped with the package. Raises PlaybookError."""
    path = path or DEFAULT_PLAYBOOK
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PlaybookError(f"{path}: cannot be read ({error.strerror}); expected a playbook in TOML") from error
    try:
        book = Book.model_validate(tomllib.loads(raw.decode("utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise PlaybookError(f"{path}: {'.'.join(map(str, first['loc'])) or 'playbook'}: {first['msg']}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlaybookError(f"{path}: is not valid TOML in UTF-8: {error}") from error
    return Playbook(book, hashlib.sha256(raw).hexdigest())


def _distinct(items: Iterable[Item], key: Callable[[Item], str]) -> tuple[Item, ...]:
    """The first item of each key, in order."""
    found: dict[str, Item] = {}
    for item in items:
        found.setdefault(key(item), item)
    return tuple(found.values())


def _moves(layers: list[Layer]) -> Iterable[Move]:
    for name in ORDER:
        texts = [layer.moves[name] for layer in layers if name in layer.moves]
        example = next((text.example for text in texts if text.example), None)
        if example is not None:
            yield Move(name=name, guidance=tuple(text.guidance for text in reversed(texts)), example=example)
