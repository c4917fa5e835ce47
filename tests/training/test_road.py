"""The whole road on the repository's own samples: corpus, finetune, calibrate, evaluate, export, promote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from training.cli import app
from training.export import served_bytes
from training.promote import objections
from triage import load_pipeline
from triage.bundle import Manifest, open_bundle, read_aliases

ROOT = Path(__file__).parents[2]


def command(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def done(*words: object) -> str:
    code, output = command(*words)
    assert code == 0, output
    return output


@pytest.fixture(scope="module")
def few_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The metamorphic gate with two cases a kind."""
    folder = tmp_path_factory.mktemp("metamorphic")
    for path in sorted((ROOT / "data" / "metamorphic").glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / path.name).write_text("".join(lines[:2]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path, few_cases: Path) -> tuple[Path, Path, str]:
    """Work folder, models folder and the version of a bundle made by the commands."""
    folder = tmp_path_factory.mktemp("road")
    work, models = folder / "work", folder / "models"
    done("corpus", ROOT / "data" / "samples", "--work", work)
    options = ("--run", "tiny", "--work", work)
    done("finetune", "--encoder", tiny_encoder, "--layers", 2, "--epochs", 1, *options)
    done("calibrate", *options)
    done("evaluate", *options, "--cases", few_cases)
    samples = ("--samples", ROOT / "data" / "samples")
    output = done("export", *options, "--models", models, *samples, "--cases", few_cases)
    return work, models, output.strip().splitlines()[-1]


def test_the_bundle_opens_and_decides_without_torch(exported: tuple[Path, Path, str]) -> None:
    _, models, version = exported
    decision = load_pipeline(models, bundle=version).triage("客服态度很差，要求退款")
    assert decision.receipt.model.startswith(version)


def test_the_bundle_carries_what_it_was_made_of(exported: tuple[Path, Path, str]) -> None:
    _, models, version = exported
    manifest = open_bundle(models / version).manifest
    assert manifest.recipe["layers"] == 2
    assert not Path(manifest.recipe["encoder"]).is_absolute()  # whose machine it was is nobody's business
    assert b".py" not in (models / version / "model.onnx").read_bytes()  # nor in the exporter's notes
    assert manifest.corpus["sources"][0]["licence"] == "Apache-2.0"
    assert max(manifest.parity["fp32_max_difference"].values()) < 1e-3
    company = manifest.parity["alone_equals_in_company"]
    assert company["identical"] == company["texts"] > 0
    for name in ("confusion", "intensity", "reliability", "risk_coverage"):
        assert (models / version / "evaluation" / f"{name}.png").stat().st_size > 1000
    card = (models / version / "README.md").read_text(encoding="utf-8")
    assert "fenzhen-samples" in card
    assert "baseline" in card
    assert "crisis_buried" in card
    gate = json.loads((models / version / "evaluation" / "gate.json").read_text(encoding="utf-8"))
    assert all(outcome["cases"] == 2 for outcome in gate.values())
    assert set(manifest.metrics["evidence"]) == {"primary", "selected"}
    assert manifest.domain is not None


def test_a_finished_stage_is_not_done_again(exported: tuple[Path, Path, str], tiny_encoder: Path) -> None:
    work, _, _ = exported
    weights = work / "runs" / "tiny" / "checkpoint" / "network.safetensors"
    before = weights.stat().st_mtime_ns
    options = ("--run", "tiny", "--work", work)
    assert command("finetune", "--encoder", tiny_encoder, "--layers", 2, "--epochs", 1, *options)[0] == 0
    assert weights.stat().st_mtime_ns == before


def test_a_run_is_not_continued_under_another_recipe(
    exported: tuple[Path, Path, str], tiny_encoder: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    shutil.copytree(exported[0] / "corpus", work / "corpus")
    (work / "runs" / "tiny").mkdir(parents=True)
    shutil.copy(exported[0] / "runs" / "tiny" / "recipe.json", work / "runs" / "tiny")
    code, output = command("finetune", "--encoder", tiny_encoder, "--epochs", 3, "--run", "tiny", "--work", work)
    assert code == 2
    assert "epochs" in output
    assert "layers" in output


def test_fine_tuning_goes_on_from_a_bundle_s_checkpoint(exported: tuple[Path, Path, str]) -> None:
    from training.network import load_checkpoint

    work, models, version = exported
    start = models / version / "checkpoint"
    options = ("--run", "next", "--work", work, "--epochs", 0.5, "--learning-rate", 1e-6)
    done("finetune", "--start", start, *options)
    before, after = (load_checkpoint(p) for p in (start, work / "runs" / "next" / "checkpoint"))
    changed = {
        name: float((after.state_dict()[name] - before.state_dict()[name]).abs().max())
        for name in ("directions", "bias", "first_threshold")
    }
    assert changed["directions"] > 0
    # Biases and thresholds belong to both branches by then: fitting the wide one anew must not take them back.
    assert max(changed.values()) < 0.02, changed
    assert torch.equal(after.center, before.center)


def test_the_mean_of_two_runs_lies_between_them_and_goes_the_same_road(
    exported: tuple[Path, Path, str], tiny_encoder: Path, tmp_path: Path
) -> None:
    work, _, _ = exported
    options = ("--layers", 2, "--epochs", 0.2, "--work", work)
    done("finetune", "--encoder", tiny_encoder, *options, "--run", "a", "--seed", 1)
    done("finetune", "--encoder", tiny_encoder, *options, "--run", "b", "--seed", 2)
    done("average", "a", "b", "--run", "mean", "--work", work)
    a, b, mean = (load_file(work / "runs" / name / "checkpoint" / "network.safetensors") for name in ("a", "b", "mean"))
    assert not torch.equal(a["directions"], b["directions"])
    middle = (a["directions"].float() + b["directions"].float()) / 2
    assert torch.allclose(mean["directions"].float(), middle, atol=1e-3)
    recipe = json.loads((work / "runs" / "mean" / "recipe.json").read_text(encoding="utf-8"))
    assert [recipe["seed"], *(other["seed"] for other in recipe["averaged"])] == [1, 2]
    done("calibrate", "--run", "mean", "--work", work)
    done("finetune", "--start", (work / "runs" / "mean" / "checkpoint").resolve(), *options[2:], "--run", "on")
    done("calibrate", "--run", "on", "--work", work)
    told = json.loads((work / "runs" / "on" / "draft.json").read_text(encoding="utf-8"))["recipe"]
    assert told["start"] == "mean/checkpoint"
    assert [told["start_recipe"]["seed"], told["start_recipe"]["averaged"][0]["seed"]] == [1, 2]
    assert str(work.resolve()) not in json.dumps(told)


def test_runs_of_different_depth_have_no_mean(exported: tuple[Path, Path, str], tiny_encoder: Path) -> None:
    work, _, _ = exported
    done("finetune", "--encoder", tiny_encoder, "--layers", 1, "--epochs", 0.1, "--work", work, "--run", "shallow")
    for names in (("tiny", "shallow"), ("shallow", "tiny")):
        code, said = command("average", *names, "--run", "neither", "--work", work)
        assert code != 0
        assert "the runs differ" in said
    assert not (work / "runs" / "neither").exists()


def test_a_bundle_is_never_overwritten(exported: tuple[Path, Path, str]) -> None:
    work, models, version = exported
    code, output = command("export", "--run", "tiny", "--work", work, "--models", models)
    assert code == 2
    assert version in output


@pytest.fixture
def no_better_than_the_baseline(exported: tuple[Path, Path, str], tmp_path: Path) -> tuple[Path, str]:
    """The bundle with figures as if the baseline were as good; the files themselves are untouched."""
    _, models, version = exported
    shutil.copytree(models / version, tmp_path / version)
    path = tmp_path / version / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["metrics"]["baseline"] |= {key: manifest["metrics"]["dev"][key] for key in ("macro3", "intensity_qwk")}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return tmp_path, version


def test_a_model_no_better_than_the_baseline_is_not_promoted(no_better_than_the_baseline: tuple[Path, str]) -> None:
    models, version = no_better_than_the_baseline
    code, output = command("promote", version, "--models", models)
    assert code == 2
    assert "macro3" in output
    assert "intensity_qwk" in output
    assert not (models / "aliases.json").exists()


def test_promoting_against_a_condition_needs_a_reason_and_keeps_it(
    no_better_than_the_baseline: tuple[Path, str],
) -> None:
    models, version = no_better_than_the_baseline
    done("promote", version, "--models", models, "--despite", "for the demo")
    despite = read_aliases(models).history[-1].despite
    assert despite
    assert despite.startswith("for the demo")
    assert "macro3" in despite


def test_fine_tuning_needs_something_to_begin_with(exported: tuple[Path, Path, str]) -> None:
    code, output = command("finetune", "--run", "nothing", "--work", exported[0])
    assert code == 2
    assert "--encoder" in output
    assert "--start" in output


def test_stages_out_of_order_say_what_to_run_first(tmp_path: Path) -> None:
    code, output = command("calibrate", "--work", tmp_path)
    assert code == 2
    assert "fenzhen-train corpus" in output


def test_contributions_of_the_torch_network_sum_to_its_scores(tiny_encoder: Path) -> None:
    import torch

    from training.network import TriageNetwork, load_encoder

    network = TriageNetwork(load_encoder(str(tiny_encoder), 2)).eval()
    torch.nn.init.normal_(network.queries)
    ids = torch.randint(5, 100, (2, 9))
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    with torch.no_grad():
        logits, contributions, _ = network.scores(ids, mask)
        alone, _, _ = network.scores(ids[1:, :6], None)
    types = contributions[:, :, :4].sum(dim=1) + network.bias[:4].detach()
    assert np.allclose(types, logits["types"], atol=1e-5)
    assert np.allclose(alone["types"], logits["types"][1:], atol=1e-5)


def champion_manifest() -> Manifest:
    champion = read_aliases(ROOT / "models").champion
    return open_bundle(ROOT / "models" / str(champion)).manifest


def test_the_champion_stands_clearly_above_the_baseline() -> None:
    assert objections(champion_manifest(), None) == []


def test_a_challenger_that_is_worse_on_one_type_is_not_promoted() -> None:
    champion = champion_manifest()
    worse = champion.model_copy(deep=True)
    worse.metrics["dev"]["types"]["refusal"]["f1"] = champion.metrics["dev"]["types"]["refusal"]["f1_ci95"][0] - 0.01
    assert any("refusal F1" in reason for reason in objections(worse, champion))
    assert not any("refusal F1" in reason for reason in objections(champion, champion))


def test_what_is_served_of_the_champion_fits_into_25_megabytes() -> None:
    assert served_bytes(ROOT / "models" / champion_manifest().version) <= 25_000_000


def test_the_champion_s_windows_are_no_longer_than_the_texts_it_was_trained_on() -> None:
    manifest = champion_manifest()
    assert manifest.limits.max_tokens <= manifest.recipe["max_tokens"]


def test_a_challenger_that_misses_more_cries_for_help_is_not_promoted() -> None:
    champion = champion_manifest()
    worse = champion.model_copy(deep=True)
    worse.metrics["slices"]["crisis"]["found"] = champion.metrics["slices"]["crisis"]["found"] - 0.05
    assert not any("crisis recall" in reason for reason in objections(champion, champion))
    assert any("crisis recall" in reason for reason in objections(worse, champion))


def test_rolling_back_brings_the_former_champion_back(tmp_path: Path) -> None:
    champion = str(read_aliases(ROOT / "models").champion)
    shutil.copytree(ROOT / "models" / champion, tmp_path / champion)
    shutil.copytree(ROOT / "models" / champion, tmp_path / "newer")
    history = [{"alias": "champion", "version": v, "since": "2026-01-01"} for v in (champion, "newer")]
    (tmp_path / "aliases.json").write_text(json.dumps({"champion": "newer", "history": history}), encoding="utf-8")
    assert command("rollback", "--models", tmp_path)[0] == 0
    assert read_aliases(tmp_path).champion == champion
