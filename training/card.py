"""The model card: what the bundle is, what it was measured to be worth, and where it fails."""

from __future__ import annotations

from typing import Any

from triage.bundle import Manifest
from triage.taxonomy import DEMANDS, EMOTIONS, RISKS, TYPES, names

MAIN = (
    ("macro3", "types macro-F1 over quality, service, refusal"),
    ("primary_accuracy", "primary type accuracy"),
    ("intensity_qwk", "intensity, quadratic-weighted κ"),
    ("demands_micro_f1", "demands micro-F1"),
    ("risks_micro_f1", "risks micro-F1"),
)


def model_card(manifest: Manifest, gate: dict[str, dict[str, Any]], worst: list[dict[str, Any]]) -> str:
    """The bundle's README in Markdown; ``gate`` is what ``training.gate.run_gate`` reports of it."""
    parts = [
        _head(manifest),
        _main(manifest.metrics),
        _labels(manifest.metrics),
        _slices(manifest.metrics),
        _tiers(manifest.metrics),
        _gate(manifest.metrics, gate),
    ]
    parts += [_pictures(), _parity(manifest), _corpus(manifest), _limits(), _failures(worst)]
    return "\n\n".join(parts) + "\n"


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def _head(manifest: Manifest) -> str:
    recipe = manifest.recipe
    origin = f"fine-tuned on from `{recipe['start']}`"
    if not recipe["start"]:
        origin = f"{recipe['keep']} layers of `{recipe['encoder'].rsplit('/', 1)[-1]}`"
    return f"""# Fenzhen model {manifest.version}

Triage of Chinese customer complaints: types, primary type, intensity, emotions, demands and risks in one run.
{recipe["layers"]}-layer encoder ({origin}), label-wise attention pooling and linear
scores, int8 weights, taxonomy {manifest.taxonomy}. Reads {manifest.limits.max_tokens} tokens at a time. The file `checkpoint/network.safetensors`
(fp16) is where the next fine-tuning can start from.

Reproduce: `make train DATA=<folder with the corpora>`; every option of this run stands in `manifest.json` under `recipe` and `corpus`."""


def _main(metrics: dict[str, Any]) -> str:
    dev, baseline = metrics["dev"], metrics["baseline"]
    rows = [
        (
            title,
            f"{dev[key]:.3f}",
            f"{dev[f'{key}_ci95'][0]:.3f}–{dev[f'{key}_ci95'][1]:.3f}",
            f"{baseline[key]:.3f}",
            f"{baseline.get('with_our_labels', baseline)[key]:.3f}",
        )
        for key, title in MAIN
    ]
    foreign = ", ".join(
        f"{reason} {100 * found['abstained']:.0f} % of {found['rows']}"
        for reason, found in metrics["foreign_abstained"].items()
    )
    ece = ", ".join(f"{name} {value:.3f}" for name, value in metrics["ece_by_type"].items())
    return f"""## Figures

On the {dev["rows"]} real complaints of the dev split, which was used for no threshold and no temperature. The baseline is TF-IDF over
character 1–4-grams with balanced logistic regression (ridge for intensity), trained on the {baseline["rows"]} complaints of the corpora
as they are given; the last column on the same rows as the network, with the labels we added (`data/labels`).

{_table(("figure", "model", "95 % interval", "baseline", "… with our labels"), rows)}

Expected calibration error of the type probabilities: {metrics["ece_types"]:.3f} ({ece}). Abstained: {metrics["dev_abstained"]} of {dev["rows"]}.
Decisions are those of the int8 graph as served.

Abstained on texts that are no Chinese customer's message (a third of `data/samples/out_of_domain.jsonl` that nothing was fitted on):
{foreign}."""


def _labels(metrics: dict[str, Any]) -> str:
    dev = metrics["dev"]
    rows = [
        (head, name, f"{s['precision']:.2f}", f"{s['recall']:.2f}", f"{s['f1']:.2f}", s["support"])
        for head, labels in (("types", TYPES), ("demands", DEMANDS), ("risks", RISKS))
        for name, s in ((name, dev[head][name]) for name in names(labels))
    ]
    emotions = [
        (name, f"{dev['emotions_pearson'][name]:.3f}", f"{metrics['brighter_pearson'][name]:.3f}")
        for name in (*names(EMOTIONS), "mean")
    ]
    return f"""## By label

{_table(("head", "label", "precision", "recall", "F1", "positives in dev"), rows)}

Emotion intensity, Pearson r of unrounded scores:

{_table(("emotion", "complaints dev", "BRIGHTER dev"), emotions)}"""


def _slices(metrics: dict[str, Any]) -> str:
    rows = [
        (name, s["rows"], f"{s['found']:.3f}", f"{s['found_ci95'][0]:.3f}–{s['found_ci95'][1]:.3f}")
        for name, s in metrics["slices"].items()
    ]
    return f"""## Hard slices

Texts written to be hard. A `near` slice shares the words but not the label: what is found there is a false alarm.

{_table(("slice", "rows", "found", "95 % interval"), rows)}

On real dev complaints: {metrics["false_illicit_dev"]:.3f} of those that are not illicit were called illicit, {metrics["false_crisis_dev"]:.3f} of those
without self-harm or violence raised one of the two."""


def _tiers(metrics: dict[str, Any]) -> str:
    found = metrics["tiers"]
    rows = [(tier, *counts) for tier, counts in zip(found["tiers"], found["confusion"], strict=True)]
    return f"""## Tiers

Policy {found["policy"]} on what the model finds (columns) against the same policy on the labels (rows), real dev complaints. Under-triage
{100 * found["under_triage"]:.1f} %, over-triage {100 * found["over_triage"]:.1f} %.

{_table(("by label", *found["tiers"]), rows)}"""


def _gate(metrics: dict[str, Any], gate: dict[str, dict[str, Any]]) -> str:
    yardsticks = (metrics["baseline"]["gate"], metrics["snownlp"]["gate"])
    rows = [
        (kind, outcome["cases"], _percent(outcome["rate"]), *(_percent(rates.get(kind)) for rates in yardsticks))
        for kind, outcome in gate.items()
    ]
    return f"""## Metamorphic gate (中文变形门)

Hand-written cases (`data/metamorphic`): what a change of wording must and must not change. Share of cases passed; a yardstick is asked only
about what it has an opinion on (SnowNLP: feelings; TF-IDF: everything but tier and joy), which makes its cases easier.

{_table(("kind", "cases", "model", "TF-IDF", "SnowNLP"), rows)}

The cases that failed stand in `evaluation/gate.json`."""


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.0f} %"


def _pictures() -> str:
    shown = ("confusion", "intensity", "reliability", "risk_coverage")
    return "## Pictures\n\n" + "\n".join(f"![{name}](evaluation/{name}.png)" for name in shown)


def _parity(manifest: Manifest) -> str:
    parity = manifest.parity
    company, int8 = parity["alone_equals_in_company"], parity["int8_against_fp32"]
    return f"""## Parity

- fp32 graph against torch on lengths {parity["lengths"]}: largest difference {max(parity["fp32_max_difference"].values()):.1e}.
- Alone = in company, bit for bit: {company["identical"]} of {company["texts"]} texts.
- int8 against fp32 on {int8["texts"]} dev texts: same types {int8["same_types"]:.3f}, same primary {int8["same_primary"]:.3f}, same tier
  {int8["same_tier"]:.3f}, same intensity {int8["same_intensity"]:.3f}; largest change of a type's probability {int8["max_type_probability_change"]:.3f}."""


def _corpus(manifest: Manifest) -> str:
    rows = [(s["source"], s["rows"], s["licence"]) for s in manifest.corpus["sources"]]
    return f"""## Trained on

{manifest.corpus["rows"]} rows; {manifest.corpus["dropped_near_duplicates"]} near-duplicates across splits were dropped. The texts are not part of this repository.

{_table(("source", "rows", "licence stated"), rows)}"""


def _limits() -> str:
    return """## Limits

- One labelling pass per text for most rows; two blind passes under the same schooling agree with κ 0.97 quality, 0.93 service, 0.95 refusal,
  0.66 illicit and 0.94 on intensity. Agreement between people of different schooling would be lower.
- `illicit` is learnt mostly from texts written for the purpose; a ring is often visible only across tickets. The label routes to an
  authorisation check and must never reject or slow a complaint.
- Labels with few positives above have wide intervals: read their figures as indications.
- `self_harm` and `violence` are a help to people, not a replacement: the routing policy keeps a list of crisis phrases beside them."""


def _failures(worst: list[dict[str, Any]]) -> str:
    if not worst:
        return "## Where it fails\n\nNo shareable samples were given when this card was written."
    rows = [(e["id"], _cell(e["text"]), e["primary"], e["found"], f"{e['probability']:.2f}") for e in worst]
    return f"""## Where it fails

The surest wrong primary types on this repository's own samples (`data/samples`):

{_table(("id", "text", "label", "decided", "probability"), rows)}"""


def _cell(text: str, limit: int = 90) -> str:
    return text.replace("\n", " ").replace("|", "｜")[:limit]
