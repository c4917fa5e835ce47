"""Which bundle serves: promotion with its conditions, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from training.gate import read_cases, run_gate, served
from triage.bundle import ALIASES, Alias, Aliases, Manifest, open_bundle, read_aliases, write_aliases
from triage.pipeline import load_pipeline

MACRO_MARGIN, INTENSITY_MARGIN = 0.03, 0.05
"""How far a bundle must stand above the TF-IDF baseline trained on the same rows, in macro-F1 and in kappa."""

GATE_MARGIN = 0.02
"""How far a kind of the metamorphic gate may fall behind the champion's: about one case in forty."""


class PromotionRefusedError(RuntimeError):
    """The bundle does not meet the conditions; the message lists each with what was measured."""


def promote(models: Path, version: str, cases: Path, despite: str | None = None) -> Aliases:
    """Make ``version`` the champion and return the new aliases. Raises PromotionRefusedError or BundleError.

    It stands before the metamorphic gate in ``cases`` beside the champion, both as they would serve today.

    ``despite`` is a person's reason to let a bundle serve that fails conditions; it is kept in the aliases' history
    together with what failed.
    """
    aliases = read_aliases(models) if (models / ALIASES).exists() else Aliases()
    manifest = open_bundle(models / version).manifest
    champion = open_bundle(models / aliases.champion).manifest if aliases.champion else None
    found = objections(manifest, champion)
    if champion is not None and champion.version != version:
        found += gate_objections(models, version, champion.version, cases)
    failed = "; ".join(found)
    if failed and not despite:
        raise PromotionRefusedError(f"{version} is not promoted: {failed}")
    return _set_champion(models, aliases, version, f"{despite} ({failed})" if failed else None)


def roll_back(models: Path) -> Aliases:
    """Make the champion before this one the champion again. Raises PromotionRefusedError when there was none."""
    aliases = read_aliases(models)
    champions = [entry.version for entry in aliases.history if entry.alias == "champion"]
    former = [version for version in champions if version != aliases.champion]
    if not former:
        raise PromotionRefusedError(f"{models / ALIASES}: no earlier champion to go back to")
    open_bundle(models / former[-1])
    return _set_champion(models, aliases, former[-1])


def objections(manifest: Manifest, champion: Manifest | None) -> list[str]:
    """Every condition that ``manifest`` fails, with what was expected and found; empty when it may serve."""
    dev, baseline, parity = manifest.metrics["dev"], manifest.metrics["baseline"], manifest.parity
    failed = []
    for key, margin in (("macro3", MACRO_MARGIN), ("intensity_qwk", INTENSITY_MARGIN)):
        least = baseline[key] + margin
        if dev[key] < least:
            failed.append(f"{key}: expected at least {least:.3f} (baseline + {margin}), found {dev[key]:.3f}")
    company = parity["alone_equals_in_company"]
    if company["identical"] != company["texts"]:
        failed.append(f"alone = in company: expected {company['texts']} texts, found {company['identical']}")
    if champion is not None:
        low = champion.metrics["dev"]["macro3_ci95"][0]
        if dev["macro3"] < low:
            failed.append(f"macro3: expected at least {low:.3f} (the champion's interval), found {dev['macro3']:.3f}")
        crisis = champion.metrics["slices"]["crisis"]["found"]
        if manifest.metrics["slices"]["crisis"]["found"] < crisis:
            found = manifest.metrics["slices"]["crisis"]["found"]
            failed.append(f"crisis recall: expected at least the champion's {crisis:.3f}, found {found:.3f}")
    return failed


def gate_objections(models: Path, version: str, champion: str, cases: Path) -> list[str]:
    """Every kind of the metamorphic gate on which ``version`` falls behind ``champion`` by more than the margin."""
    kinds = read_cases(cases)
    ours, theirs = (run_gate(served(load_pipeline(models, bundle=name)), kinds) for name in (version, champion))
    return [
        f"metamorphic gate, {kind}: expected at least {theirs[kind]['rate'] - GATE_MARGIN:.3f} "
        f"(the champion's less {GATE_MARGIN}), found {ours[kind]['rate']:.3f}"
        for kind in kinds
        if ours[kind]["rate"] < theirs[kind]["rate"] - GATE_MARGIN
    ]


def _set_champion(models: Path, aliases: Aliases, version: str, despite: str | None = None) -> Aliases:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    changed = aliases.model_copy(
        update={
            "champion": version,
            "challenger": None if aliases.challenger == version else aliases.challenger,
            "history": [*aliases.history, Alias(alias="champion", version=version, since=since, despite=despite)],
        }
    )
    write_aliases(models, changed)
    return changed
