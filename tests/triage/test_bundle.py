"""A bundle is served as it was measured, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from triage import load_pipeline
from triage.bundle import BundleError, open_champion, read_aliases

ROOT = Path(__file__).parents[2]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the champion that may be damaged."""
    champion = read_aliases(ROOT / "models").champion
    assert champion
    shutil.copytree(ROOT / "models" / champion, tmp_path / champion)
    shutil.copy(ROOT / "models" / "aliases.json", tmp_path)
    return tmp_path


def champion_folder(models: Path) -> Path:
    return models / str(read_aliases(models).champion)


def test_the_committed_champion_opens() -> None:
    assert open_champion(ROOT / "models").manifest.version == read_aliases(ROOT / "models").champion


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_file_is_named_with_both_hashes(models: Path, name: str) -> None:
    path = champion_folder(models) / name
    expected = open_champion(models).manifest.files[name]
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xfe")
    with pytest.raises(BundleError) as refused:
        load_pipeline(models)
    assert name in str(refused.value)
    assert expected in str(refused.value)


def test_a_missing_file_is_named(models: Path) -> None:
    (champion_folder(models) / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx: missing"):
        load_pipeline(models)


def test_a_half_written_bundle_has_no_manifest_and_is_refused(models: Path) -> None:
    (champion_folder(models) / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"manifest\.json: missing"):
        load_pipeline(models)


def test_a_folder_without_aliases_or_champion_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"aliases\.json: missing"):
        load_pipeline(tmp_path)
    (tmp_path / "aliases.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match="promote"):
        load_pipeline(tmp_path)


def test_a_bundle_of_another_taxonomy_is_refused(models: Path) -> None:
    path = champion_folder(models) / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["taxonomy"] = "0.9"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match=r"taxonomy: expected .* found 0\.9"):
        load_pipeline(models)
