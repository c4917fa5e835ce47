"""A decision as a handler reads it: a page of Chinese instead of JSON."""

from __future__ import annotations

from collections.abc import Iterator

from triage.decision import Decision
from triage.taxonomy import INTENSITY_LEVELS, ZH

_CLOCKS = {"first_response": "首次响应", "resolution": "办结"}
_BASES = {"internal": "内部", "statutory": "法定"}


def summary(decision: Decision) -> str:
    """The page: who handles it and why, by when, what was heard, and how to answer."""
    return "\n".join(_lines(decision))


def _lines(decision: Decision) -> Iterator[str]:
    route = decision.route
    kind = ZH[decision.primary_type] if decision.primary_type else "未作判断"
    strength = INTENSITY_LEVELS[decision.intensity.level] if decision.intensity else "未知"
    yield f"{route.tier} · {route.queue} ｜ {kind} ｜ 情绪{strength}"
    yield from (f"  因为：{reason.text}" for reason in route.reasons)
    yield from (f"  须做：{check}" for check in route.checks)
    yield from (f"  结案前：{step}" for step in route.before_closing)
    if route.may_settle:
        yield f"  有权处理的最低层级：{route.may_settle}"
    if route.recused:
        yield f"  回避：{'、'.join(route.recused)}"
    for deadline in decision.deadlines:
        due = deadline.due_at.strftime("%Y-%m-%d %H:%M") if deadline.due_at else "无法计算"
        yield f"时限 {_CLOCKS[deadline.clock]}（{_BASES[deadline.basis]}）：{due}"
    if decision.listening:
        heard = decision.listening
        said = [f"{fact.label}“{fact.text}”" for fact in heard.facts]
        yield f"事实：{'，'.join(said) or '未提及'}"
        felt = [f"“{clause.text}”" for clause in heard.emotions]
        hoped = [f"{'、'.join(clause.labels)}“{clause.text}”" for clause in heard.expectations]
        yield f"情绪：{'；'.join(felt) or '未见'}"
        yield f"期望：{'；'.join(hoped) or '未提出'}"
        yield from (f"可追问（{gap.label}）：{gap.question}" for gap in heard.missing)
    if decision.plan:
        plan = decision.plan
        yield f"答复：由{plan.answered_by}，先{plan.channels[0].name}"
        yield f"  次序：{' → '.join(move.name for move in plan.moves)}"
        yield f"  开头可以说：{plan.moves[0].example}"
        yield from (f"  方案：{option.name}（利：{option.pros}；弊：{option.cons}）" for option in plan.options)
        yield f"  不能说：{'；'.join(ban.what for ban in plan.must_not_say[:4])}"
