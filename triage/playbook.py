"""Reply plans: 先处理感情，再回应事件. Put together from layers of a versioned file; every plan can be replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from triage.taxonomy import INTENSITY_LEVELS, OTHER, RISKS, TYPES, names
from triage.toml_file import FileModel, read_toml

DEFAULT_PLAYBOOK = Path(__file__).with_name("playbook.toml")
ABSTAINED = "abstained"

MoveName = Literal["陪伴", "安抚", "确认", "解释", "道歉", "协调", "处罚", "改正", "转接", "方案", "时限"]
ORDER: tuple[MoveName, ...] = get_args(MoveName)
"""The moves in the order they are made: the person before the matter, the deadline last."""

_EVERY_TYPE: tuple[MoveName, ...] = ("安抚", "确认", "方案", "时限")
_PLANS_KEPT = 1024
"""More than the combinations that occur, far fewer than those that are possible."""
_IN_BETWEEN: frozenset[MoveName] = frozenset({"解释", "道歉", "协调", "处罚", "改正"})

Sentence = Annotated[str, Field(min_length=1)]
Item = TypeVar("Item")


class PlaybookError(ValueError):
    """A playbook that cannot be applied; the message names the file, the line, the field and what was expected."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Option(FileModel):
    """A way out to offer, with what speaks for and against it."""

    name: Sentence
    pros: Sentence
    cons: Sentence


class Channel(FileModel):
    """A way to reach the customer, and why this one."""

    name: Literal["电话", "当面", "在线", "书面"]
    why: Sentence


class Exclusion(FileModel):
    """Who must not answer, and why."""

    who: Sentence
    why: Sentence


class Ban(FileModel):
    """What must not be said or done, and why."""

    what: Sentence
    why: Sentence


class MoveText(FileModel):
    """What a layer says about a move; without an example the weaker layer's stays."""

    guidance: Sentence
    example: Sentence | None = None


class Layer(FileModel):
    """What one label adds to a plan."""

    moves: dict[MoveName, MoveText] = Field(default_factory=dict)
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


class Book(FileModel):
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


class Move(_Frozen):
    """One step of the reply: what to heed, the general advice first, and one wording to start from."""

    name: MoveName
    guidance: tuple[str, ...]
    example: str


class ReplyPlan(_Frozen):
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
        # Tickets differ, but what a plan depends on hardly does; the names of staff are put in afterwards.
        self._kept = lru_cache(maxsize=_PLANS_KEPT)(self._build)

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
        plan = self._kept(primary_type or ABSTAINED, tier, intensity, risks)
        if not named_staff:
            return plan
        named = [Exclusion(who=who, why="来文点名的人员，不得处理涉及本人的投诉") for who in named_staff]
        excluded = _distinct((*named, *plan.must_not_answer), lambda item: item.who)
        return plan.model_copy(update={"must_not_answer": excluded})

    def _build(self, kind: str, tier: str, intensity: int, risks: frozenset[str]) -> ReplyPlan:
        self._check(kind, tier, intensity, risks)
        stakes = [layer for name, layer in self._book.risks.items() if name in risks]
        asked = [tier, *(layer.min_tier for layer in stakes if layer.min_tier)]
        answering = self._book.tiers[max(asked, key=self.tiers.index)]
        felt = self._book.intensity[str(intensity)]
        layers: list[Layer] = [*stakes, felt, answering, self._book.types[kind], self._book.always]
        alone = next((layer for layer in stakes if layer.takes_over), None)
        speaking: list[Layer] = [alone] if alone else layers
        return ReplyPlan(
            answered_by=next((layer.answered_by for layer in stakes if layer.answered_by), answering.answered_by),
            channels=_distinct((item for layer in speaking for item in layer.channels), lambda item: item.name),
            moves=tuple(_moves(speaking)),
            options=_distinct((item for layer in speaking for item in layer.options), lambda item: item.name),
            must_not_answer=_distinct((item for layer in layers for item in layer.excluded), lambda item: item.who),
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
    return Playbook(*read_toml(path or DEFAULT_PLAYBOOK, Book, PlaybookError))


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
