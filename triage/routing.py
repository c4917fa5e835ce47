"""The routing policy: who handles a ticket, decided by named rules in a versioned file, every one of them explained."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from triage.decision import Reason, Route
from triage.taxonomy import DEMANDS, OTHER, RISKS, TYPES, names

DEFAULT_POLICY = Path(__file__).with_name("routing.toml")
ABSTAINED = "abstained"


class PolicyError(ValueError):
    """A policy file that cannot be applied; the message names the file, the field and what was expected."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a policy may look at: the selected labels, the intensity, the abstention and the masked text."""

    text: str
    primary_type: str | None
    types: frozenset[str]
    demands: frozenset[str]
    risks: frozenset[str]
    intensity: int
    abstain_code: str | None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class When(_Strict):
    """Conditions of a rule; all that are given must hold. A list holds when any of its entries is found."""

    types: tuple[str, ...] = ()
    demands: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    min_intensity: int | None = Field(default=None, ge=1, le=3)
    abstained: bool | None = None
    abstain_reasons: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_are_known(self) -> When:
        for field, known in (("types", names(TYPES)), ("demands", names(DEMANDS)), ("risks", names(RISKS))):
            unknown = sorted(set(getattr(self, field)) - set(known))
            if unknown:
                raise ValueError(f"{field}: unknown {unknown}, expected some of {list(known)}")
        if self == When.model_construct():
            raise ValueError("a rule without conditions would always fire; give it at least one")
        return self


class Rule(_Strict):
    """One named rule: when it fires, the tier it asks for, its queue and the sentence that explains it."""

    code: str
    tier: str
    queue: str | None = None
    text: str
    when: When


class Policy(_Strict):
    """A routing policy, immutable once loaded."""

    version: str
    default_tier: str
    tiers: dict[str, str]
    queues: dict[str, str]
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _is_complete(self) -> Policy:
        for where, tier in [
            ("default_tier", self.default_tier),
            *((f"rules.{r.code}.tier", r.tier) for r in self.rules),
        ]:
            if tier not in self.tiers:
                raise ValueError(f"{where}: {tier!r} is not among tiers {list(self.tiers)}")
        owners = {*names(TYPES), OTHER.name, ABSTAINED}
        if set(self.queues) != owners:
            raise ValueError(f"queues: expected exactly {sorted(owners)}, found {sorted(self.queues)}")
        codes = [rule.code for rule in self.rules]
        if len(set(codes)) != len(codes):
            raise ValueError(
                f"rules: codes must differ, found {sorted({c for c in codes if codes.count(c) > 1})} twice"
            )
        return self


class Router:
    """Applies one policy. ``version`` is what receipts carry: the policy's version and a hash of its file."""

    def __init__(self, policy: Policy, sha256: str) -> None:
        self._policy = policy
        self._rank = {tier: rank for rank, tier in enumerate(policy.tiers)}
        self.version = f"{policy.version}+{sha256[:12]}"

    def route(self, found: Findings) -> Route:
        """Tier, queue and every rule that fired, strongest first. Pure: the same findings give the same route."""
        fired = [(rule, hit) for rule in self._policy.rules if (hit := _fires(rule.when, found)) is not None]
        fired.sort(key=lambda item: -self._rank[item[0].tier])  # stable: the file's order within a tier
        tier = fired[0][0].tier if fired else self._policy.default_tier
        owner = ABSTAINED if found.primary_type is None else found.primary_type
        queue = next((r.queue for r, _ in fired if r.tier == tier and r.queue), self._policy.queues[owner])
        reasons = tuple(Reason(code=r.code, text=r.text + (f"（“{hit}”）" if hit else "")) for r, hit in fired)
        return Route(tier=tier, queue=queue, reasons=reasons or (self._routine(found),))

    def _routine(self, found: Findings) -> Reason:
        return Reason(code="routine", text=f"未见升级信号，按常规由{self._policy.tiers[self._policy.default_tier]}处理")


def load_router(path: Path | None = None) -> Router:
    """The router for a policy file, by default the one shipped with the package. Raises PolicyError."""
    path = path or DEFAULT_POLICY
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read ({error.strerror}); expected a routing policy in TOML") from error
    try:
        policy = Policy.model_validate(tomllib.loads(raw.decode("utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise PolicyError(f"{path}: {'.'.join(map(str, first['loc'])) or 'policy'}: {first['msg']}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"{path}: is not valid TOML in UTF-8: {error}") from error
    return Router(policy, hashlib.sha256(raw).hexdigest())


def _fires(when: When, found: Findings) -> str | None:
    """None when a condition fails, else the phrase that was hit ('' where the rule looks for none)."""
    for wanted, have in ((when.types, found.types), (when.demands, found.demands), (when.risks, found.risks)):
        if wanted and not have.intersection(wanted):
            return None
    if when.min_intensity is not None and found.intensity < when.min_intensity:
        return None
    if when.abstained is not None and when.abstained != (found.abstain_code is not None):
        return None
    if when.abstain_reasons and found.abstain_code not in when.abstain_reasons:
        return None
    if when.phrases:
        return next((phrase for phrase in when.phrases if phrase in found.text), None)
    return ""
