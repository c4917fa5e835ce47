"""Where another policy would have sent the stored tickets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.table import Table

from serving.replay import NOTHING_KEPT, restored
from serving.storage.repository import Replayable
from triage.decision import Decision
from triage.pipeline import findings
from triage.policy import ABSTAINED, Policy
from triage.records import Route
from triage.replay import reading_of
from triage.routing import Router


class Mover(BaseModel):
    """A ticket that another policy sends elsewhere; ``policy`` is the version it was decided by.

    ``rules``: -code no longer fires, +code now does, =code fires under both but sends the ticket elsewhere;
    =queues.TYPE: the queue of the type is another one.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    ticket_id: str
    decision_id: str
    policy: str
    tier_before: str
    tier_after: str
    queue_before: str
    queue_after: str
    rules: tuple[str, ...]


class Moves(BaseModel):
    """What a policy would have made of stored decisions, counted by the place before and after."""

    policy: str
    decided_by: Counter[str] = Counter()
    nothing_kept: int = 0
    tiers: dict[str, Counter[str]] = Field(description="Tickets by tier before, then after.")
    movers: list[Mover] = []


def under_policy(rows: Iterable[Replayable], policy: Policy, sha256: str) -> Moves:
    """Where a policy would have sent the tickets of stored rows, by the reading each was routed by then."""
    router = Router(policy, sha256)
    moves = Moves(policy=router.version, tiers={tier: Counter() for tier in router.tiers})
    for row in rows:
        if row.kept is None:
            moves.nothing_kept += 1
            continue
        decision = Decision.model_validate_json(row.reply)
        before, after = decision.route, router.route(findings(restored(row), reading_of(decision)))
        moves.decided_by[decision.receipt.policy] += 1
        moves.tiers.setdefault(before.tier, Counter())[after.tier] += 1
        if (before.tier, before.queue) == (after.tier, after.queue):
            continue
        moves.movers.append(
            Mover(
                source=row.source,
                ticket_id=row.ticket_id,
                decision_id=row.decision_id,
                policy=decision.receipt.policy,
                tier_before=before.tier,
                tier_after=after.tier,
                queue_before=before.queue,
                queue_after=after.queue,
                rules=_made_the_difference(before, after, policy, decision.primary_type or ABSTAINED),
            )
        )
    return moves


def _made_the_difference(before: Route, after: Route, policy: Policy, type_queue: str) -> tuple[str, ...]:
    fired, fires = ([reason.code for reason in route.reasons] for route in (before, after))
    changed = [f"-{code}" for code in fired if code not in fires] + [f"+{code}" for code in fires if code not in fired]
    if before.tier != after.tier:
        ranks = {tier: rank for rank, tier in enumerate(policy.tiers)}
        # Up by what decides now, down by what decided then; where that fires under both, its tier is another one.
        decisive = fires[0] if ranks[after.tier] > ranks.get(before.tier, 0) else fired[0]
        if decisive in fired and decisive in fires:
            changed.append(f"={decisive}")
    elif not changed:
        queues = {rule.code: rule.queue for rule in policy.rules}
        changed.append("=" + next((code for code in fires if queues.get(code) == after.queue), f"queues.{type_queue}"))
    return tuple(changed)


def show_moves(moves: Moves, console: Console) -> None:
    """Print the tiers before and after as a table, the movers, and the counts."""
    tiers = Table("tier", *(f"→ {tier}" for tier in moves.tiers), title=f"Tiers under {moves.policy}")
    for before, after in moves.tiers.items():
        tiers.add_row(before, *(f"{after[tier]:,}" for tier in moves.tiers))
    console.print(tiers)
    if moves.movers:
        movers = Table("source", "ticket", "tier", "queue", "rules", title="Movers")
        for mover in moves.movers:
            tier, queue = (
                now if then == now else f"{then} → {now}"
                for then, now in ((mover.tier_before, mover.tier_after), (mover.queue_before, mover.queue_after))
            )
            movers.add_row(mover.source, mover.ticket_id, tier, queue, " ".join(mover.rules))
        console.print(movers)
    total = sum(moves.decided_by.values())
    console.print(f"{len(moves.movers):,} of {total:,} tickets would move under {moves.policy}.")
    for version, count in moves.decided_by.most_common():
        console.print(f"{count:,} were decided under {version}.")
    if moves.nothing_kept:
        console.print(f"{moves.nothing_kept:,} left out: {NOTHING_KEPT}.")
