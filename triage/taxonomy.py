"""The labels Fenzhen knows: complaint types, emotions, demands, risks and the intensity scale.

The one place where label names, their order and their Chinese names are written down. What each label means to a
labeller stands in ``data/GUIDELINE.md``; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TAXONOMY_VERSION = "1.1"


@dataclass(frozen=True, slots=True)
class Label:
    """One label: ``name`` is stable and machine-readable, ``zh`` is what people read."""

    name: str
    zh: str


TYPES = (
    Label("quality", "质量"),
    Label("service", "服务"),
    Label("refusal", "拒付"),
    Label("illicit", "疑似黑产"),
)
OTHER = Label("other", "其他")
"""The primary type of a text that is none of ``TYPES``: an inquiry, praise, a suggestion."""

EMOTIONS = (
    Label("anger", "愤怒"),
    Label("disgust", "厌恶"),
    Label("fear", "恐惧焦虑"),
    Label("sadness", "悲伤失望"),
    Label("surprise", "惊讶"),
    Label("joy", "喜悦"),
)
DEMANDS = (
    Label("refund", "退款退费"),
    Label("replace_repair", "换货维修补发"),
    Label("compensation", "赔偿补偿"),
    Label("apology", "道歉"),
    Label("explanation", "解释查证答复"),
    Label("discipline", "处罚整改"),
    Label("cancel", "解约注销取消"),
    Label("stop_harassment", "停止骚扰催收"),
    Label("fulfil", "履约兑现"),
    Label("relief", "减免协商"),
)
RISKS = (
    Label("regulator", "监管投诉"),
    Label("media", "媒体曝光"),
    Label("legal", "诉讼报警"),
    Label("self_harm", "自伤自杀"),
    Label("violence", "暴力威胁"),
    Label("group", "群体事件"),
    Label("safety", "人身安全"),
    Label("vulnerable", "弱势人群"),
)
INTENSITY_LEVELS = ("平静", "轻度", "中度", "强烈")
"""Chinese names of the levels 0–3, used for the intensity of the whole text and of each emotion."""

CRISIS_RISKS = frozenset({"self_harm", "violence"})


def names(labels: tuple[Label, ...]) -> tuple[str, ...]:
    """The names of ``labels`` in their fixed order."""
    return tuple(label.name for label in labels)


ZH: dict[str, str] = {label.name: label.zh for label in (*TYPES, OTHER, *EMOTIONS, *DEMANDS, *RISKS)}


@dataclass(frozen=True, slots=True)
class Head:
    """One group of outputs of the network; each of its labels is one *unit* with a linear score of its own.

    ``binary``: a sigmoid per label. ``choice``: a softmax over the labels. ``ordinal``: per label one score and three
    cumulative logits, P(level >= 1), P(level >= 2), P(level >= 3).
    """

    name: str
    kind: Literal["binary", "choice", "ordinal"]
    labels: tuple[Label, ...]


HEADS = (
    Head("types", "binary", TYPES),
    Head("primary", "choice", (*TYPES, OTHER)),
    Head("intensity", "ordinal", (Label("intensity", "强度"),)),
    Head("emotions", "ordinal", EMOTIONS),
    Head("demands", "binary", DEMANDS),
    Head("risks", "binary", RISKS),
)
"""Every output of the network, in the order of its score units."""


def unit_slices() -> dict[str, slice]:
    """Where each head's score units lie along the last axis of the contributions, by head name."""
    slices, start = {}, 0
    for head in HEADS:
        slices[head.name] = slice(start, start + len(head.labels))
        start += len(head.labels)
    return slices
