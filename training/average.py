"""The mean of networks that were fine-tuned from the same encoder, or went on from one another.

Each run ends beside the others in one valley of the loss; their mean lies nearer its floor and costs no more to serve
than one of them (model soups, Wortsman et al. 2022).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import structlog
import torch
from safetensors.torch import load_file, save_file

from training.network import WIDE

log = structlog.get_logger()

NETWORK = "network.safetensors"


def average(runs: list[Path], out: Path) -> None:
    """Write ``out/checkpoint``, the mean of the runs' checkpoints weight by weight, and a recipe that names them all.

    The wide branch, which is fitted and not trained on, is the first run's: its rows stand for that run's grams.
    Raises ValueError for runs that differ in shape, by layers or vocabulary.
    """
    if (out / "checkpoint" / NETWORK).exists():
        log.info("average", already="finished", folder=str(out))
        return
    if len(runs) < 2:
        raise ValueError(f"runs: expected two or more, got {len(runs)}")
    for run in runs:
        if not (run / "checkpoint" / NETWORK).exists():
            raise ValueError(f"{run}: expected a finished run, found no checkpoint: run finetune first")
    states = [load_file(run / "checkpoint" / NETWORK) for run in runs]
    mean = {}
    for name in sorted({name for state in states for name in state}):
        found = [state.get(name) for state in states]
        first = found[0]
        if first is None or any(other is None or other.shape != first.shape for other in found):
            raise ValueError(f"{name}: the runs differ in its shape: average runs of one encoder")
        is_trained = first.is_floating_point() and name not in WIDE
        mean[name] = (
            torch.stack([state[name].float() for state in states]).mean(dim=0).to(first.dtype) if is_trained else first
        )
    shutil.copytree(runs[0] / "checkpoint", out / "checkpoint", dirs_exist_ok=True)
    recipes: list[dict[str, Any]] = [json.loads((run / "recipe.json").read_text(encoding="utf-8")) for run in runs]
    (out / "recipe.json").write_text(json.dumps({**recipes[0], "averaged": recipes[1:]}, indent=1), encoding="utf-8")
    save_file(mean, out / "checkpoint" / NETWORK)
    log.info("average", runs=[run.name for run in runs], folder=str(out))
