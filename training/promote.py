"""Which bundle serves: promotion with its conditions, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

from training.gate import read_cases, run_gate, served
from triage.bundle import ALIASES, Alias, Aliases, Manifest, open_bundle, read_aliases, write_aliases
from triage.model import Model
from triage.pipeline import load_pipeline

MACRO_MARGIN, INTENSITY_MARGIN = 0.03, 0.05
"""How far a bundle must stand above the TF-IDF baseline on the corpora as given, in macro-F1 and in kappa."""

GATE_MARGIN = 0.02
"""How far a kind of the metamorphic gate may fall behind the champion's: about one case in forty."""

LATENCY_RATIO, LATENCY_ROUNDS = 1.25, 60
LATENCY_TEXT = "客服一直说在审核，材料交了三次，到现在既不赔付也不说明原因，请尽快给我书面答复。" * 2


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
        found += latency_objections(models, version, champion.version)
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
        failed += _behind(manifest, champion)
    return failed


def _behind(manifest: Manifest, champion: Manifest) -> list[str]:
    """What ``manifest`` was measured to do worse than the champion, beyond the interval; crisis recall without any."""
    failed = []
    ours, theirs = manifest.metrics["dev"]["types"], champion.metrics["dev"]["types"]
    for name in ours:
        low = theirs[name].get("f1_ci95", (0.0, 1.0))[0]
        if ours[name]["f1"] < low:
            failed.append(f"{name} F1: expected at least {low:.3f} (champion's interval), found {ours[name]['f1']:.3f}")
    found, crisis = (m.metrics["slices"]["crisis"]["found"] for m in (manifest, champion))
    if found < crisis:
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


def latency_objections(models: Path, version: str, champion: str) -> list[str]:
    """Whether one run of ``version`` takes clearly longer than the champion's, in rounds that take turns."""
    sides = []
    for name in (version, champion):
        folder, limits = models / name, open_bundle(models / name).manifest.limits
        model = Model(
            folder / "model.onnx",
            folder / "tokenizer.json",
            max_tokens=limits.max_tokens,
            overlap=limits.window_overlap,
        )
        sides.append((model, model.windows(LATENCY_TEXT)[0]))
    ratios = []
    for _ in range(LATENCY_ROUNDS):
        times = []
        for model, window in sides:
            started = perf_counter()
            model.run(window)
            times.append(perf_counter() - started)
        ratios.append(times[0] / times[1])
    ratio = median(ratios)
    if ratio <= LATENCY_RATIO:
        return []
    return [f"latency: expected at most {LATENCY_RATIO} times the champion's, found {ratio:.2f}"]


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
