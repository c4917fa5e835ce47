"""``fenzhen-train``: one command a stage, each of them restartable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from triage.bundle import BundleError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train, calibrate, measure and promote a model.")


@app.callback()
def start() -> None:
    """Train, calibrate, measure and promote a model."""
    from training.progress import configure

    configure()


Work = Annotated[Path, typer.Option(help="Where corpora and runs are kept between stages.")]
Name = Annotated[str, typer.Option("--run", help="Name of the run; another name is another model.")]
Models = Annotated[Path, typer.Option(help="The models folder with the bundles and aliases.json.")]
Cases = Annotated[Path, typer.Option(help="The metamorphic gate's cases, <kind>.jsonl.", exists=True)]
Foreign = Annotated[Path, typer.Option(help="Examples of what is no customer's message, *.jsonl.", exists=True)]
WORK, MODELS, CASES = Path("var/training"), Path("models"), Path("data/metamorphic")
FOREIGN = Path("data/samples/out_of_domain.jsonl")


@app.command()
def corpus(
    data: Annotated[Path, typer.Argument(help="Folder with the labelled *.jsonl files.", exists=True, file_okay=False)],
    work: Work = WORK,
    labels: Annotated[
        Path | None, typer.Option(help="Folder with our own labels, of pool texts by id.", exists=True)
    ] = None,
    calibration: Annotated[float, typer.Option(min=0.01, max=0.5, help="Share of training rows held back.")] = 0.08,
    mood_rows: Annotated[int, typer.Option(min=0, help="At most so many rows of the mood corpus.")] = 1500,
) -> None:
    """Check the labelled texts, split them and drop near-duplicates across splits."""
    from training.corpus import build_corpus

    with _explained():
        build_corpus(data, work / "corpus", labels=labels, calibration=calibration, mood_rows=mood_rows)


@app.command()
def pretrain(
    data: Annotated[
        Path, typer.Argument(help="Folder with texts in unlabelled/*.jsonl.", exists=True, file_okay=False)
    ],
    encoder: Annotated[str, typer.Option(help="Pretrained encoder: a hub id or a local folder.")],
    run: Name = "pretrained",
    work: Work = WORK,
    layers: Annotated[int, typer.Option(min=1, help="Encoder layers to keep.")] = 6,
    epochs: Annotated[float, typer.Option(min=0.01)] = 3.0,
    bf16: Annotated[bool | None, typer.Option(help="Half precision; by default where the processor has it.")] = None,
) -> None:
    """Guess hidden words of unlabelled complaints; print the encoder's folder, for finetune --encoder."""
    from training.finetune import half_precision
    from training.pretrain import Pretraining
    from training.pretrain import pretrain as read

    recipe = Pretraining(encoder, layers, epochs, bf16=half_precision() if bf16 is None else bf16)
    with _explained():
        typer.echo(read(data, work / "runs" / run, recipe))


@app.command()
def finetune(
    encoder: Annotated[str | None, typer.Option(help="Pretrained encoder: a hub id or a local folder.")] = None,
    run: Name = "model",
    work: Work = WORK,
    layers: Annotated[int, typer.Option(min=1, help="Encoder layers to keep.")] = 6,
    epochs: Annotated[float, typer.Option(min=0.01)] = 4.0,
    batch: Annotated[int, typer.Option(min=1)] = 32,
    learning_rate: Annotated[float, typer.Option(min=0)] = 1e-4,
    head_learning_rate: Annotated[float, typer.Option(min=0)] = 3e-4,
    hard_repeats: Annotated[int, typer.Option(min=1, help="How often hard rows are learnt in an epoch.")] = 2,
    variants: Annotated[float, typer.Option(min=0, max=1, help="Share of complaints added in another wording.")] = 0.25,
    seed: int = 7,
    start: Annotated[Path | None, typer.Option(help="Go on from a bundle's checkpoint folder.", exists=True)] = None,
    bf16: Annotated[bool | None, typer.Option(help="Half precision; by default where the processor has it.")] = None,
) -> None:
    """Fine-tune encoder and heads; an interrupted run goes on where it was."""
    from training.finetune import Recipe, half_precision
    from training.finetune import finetune as train

    recipe = Recipe(
        encoder=encoder,
        start=None if start is None else str(start),
        layers=layers,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        head_learning_rate=head_learning_rate,
        hard_repeats=hard_repeats,
        bf16=half_precision() if bf16 is None else bf16,
        variants=variants,
        seed=seed,
    )
    with _explained():
        train(_load_corpus(work), work / "runs" / run, recipe)


@app.command()
def average(
    runs: Annotated[list[str], typer.Argument(help="Names of finished runs; the wide branch is the first one's.")],
    run: Name = "average",
    work: Work = WORK,
) -> None:
    """Take the mean of the weights of several runs."""
    from training.average import average as mean

    with _explained():
        mean([work / "runs" / name for name in runs], work / "runs" / run)


@app.command()
def calibrate(run: Name = "model", work: Work = WORK, foreign: Foreign = FOREIGN) -> None:
    """Export and quantise the graph, then fit temperatures and thresholds on the calibration split."""
    from training.calibrate import calibrate as fit

    with _explained():
        fit(_load_corpus(work), work / "runs" / run, foreign)


@app.command()
def evaluate(run: Name = "model", work: Work = WORK, cases: Cases = CASES, foreign: Foreign = FOREIGN) -> None:
    """Measure the calibrated run on the dev split, beside the TF-IDF baseline."""
    from training.evaluate import evaluate as measure

    with _explained():
        measure(_load_corpus(work), work / "runs" / run, cases, foreign)


@app.command()
def export(
    run: Name = "model",
    work: Work = WORK,
    models: Models = MODELS,
    samples: Annotated[Path | None, typer.Option(help="Shareable samples for the card's list of errors.")] = None,
    cases: Cases = CASES,
) -> None:
    """Write the bundle models/<version> and print its version."""
    from training.export import export as write

    with _explained():
        typer.echo(write(_load_corpus(work), work / "corpus", work / "runs" / run, models, samples, cases).name)


@app.command()
def gate(
    version: Annotated[
        str, typer.Argument(help="The bundle's version; 'champion' for the one that serves.")
    ] = "champion",
    models: Models = MODELS,
    cases: Cases = CASES,
    out: Annotated[Path | None, typer.Option(help="Where to write the report with every failed case, as JSON.")] = None,
) -> None:
    """Put a bundle before the metamorphic gate: what wording must and must not change."""
    from training.gate import read_cases, run_gate, served
    from triage.pipeline import load_pipeline

    with _explained():
        report = run_gate(
            served(load_pipeline(models, bundle=None if version == "champion" else version)), read_cases(cases)
        )
    if out is not None:
        out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for kind, outcome in report.items():
        typer.echo(f"{kind:16} {outcome['rate']:7.1%} of {outcome['cases']}")


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A bundle's version, or 'champion'.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The version to hold against it, or 'champion'.")],
    data: Annotated[Path, typer.Option(help="Held-out labelled complaints: a file or folder.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder for compare.json and compare.html.", file_okay=False)],
    models: Models = MODELS,
) -> None:
    """Hold two bundles against each other: figures by label and slice, and every text they part on."""
    from training.compare import compare as hold

    with _explained():
        hold(models, a, b, data, out)
        typer.echo(out / "compare.html")


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="The bundle's version; 'latest' for the newest one.")],
    models: Models = MODELS,
    despite: Annotated[str | None, typer.Option(help="Promote against failed conditions; kept as the reason.")] = None,
    cases: Cases = CASES,
) -> None:
    """Make a bundle the champion, if it meets the conditions."""
    from training.promote import promote as make_champion

    with _explained():
        chosen = _latest(models) if version == "latest" else version
        typer.echo(f"champion: {make_champion(models, chosen, cases, despite).champion}")


@app.command()
def rollback(models: Models = MODELS) -> None:
    """Make the former champion the champion again."""
    from training.promote import roll_back

    with _explained():
        typer.echo(f"champion: {roll_back(models).champion}")


def _load_corpus(work: Path) -> Any:
    from datasets import load_from_disk

    if not (work / "corpus" / "report.json").exists():
        raise ValueError(f"{work / 'corpus'}: no corpus yet; run 'fenzhen-train corpus DATA' first")
    return load_from_disk(str(work / "corpus"))


def _latest(models: Path) -> str:
    from triage.bundle import MANIFEST, Manifest

    manifests = [Manifest.model_validate_json(p.read_bytes()) for p in models.glob(f"*/{MANIFEST}")]
    if not manifests:
        raise ValueError(f"{models}: holds no bundle; run 'fenzhen-train export' first")
    return max(manifests, key=lambda m: m.created).version


@contextmanager
def _explained() -> Iterator[None]:
    """Expected errors as one line and exit code 2; anything else is a bug and keeps its trace."""
    try:
        yield
    except (ValueError, OSError, BundleError, RuntimeError) as error:
        if type(error) is RuntimeError:
            raise
        typer.echo(f"fenzhen-train: {error}", err=True)
        raise typer.Exit(2) from error
