"""The mean of networks that learnt the same rows from the same encoder under different seeds.

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

log = structlog.get_logger()

NETWORK = "network.safetensors"


def average(runs: list[Path], out: Path) -> None:
    """Write ``out/checkpoint``, the mean of the runs' checkpoints weight by weight, and a recipe that names them all.

    Raises ValueError when the runs differ in more than their seed and the length of training, which is when their
    wide branches, layers or vocabularies differ.
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
            raise ValueError(f"{name}: the runs differ in its shape: average runs of one encoder and one corpus")
        if first.is_floating_point():
            mean[name] = torch.stack([state[name].float() for state in states]).mean(dim=0).to(first.dtype)
        elif any(not torch.equal(first, state[name]) for state in states[1:]):
            raise ValueError(f"{name}: the runs differ in it: average runs that learnt the same rows")
        else:
            mean[name] = first
    shutil.copytree(runs[0] / "checkpoint", out / "checkpoint", dirs_exist_ok=True)
    recipes: list[dict[str, Any]] = [json.loads((run / "recipe.json").read_text(encoding="utf-8")) for run in runs]
    (out / "recipe.json").write_text(json.dumps({**recipes[0], "averaged": recipes[1:]}, indent=1), encoding="utf-8")
    save_file(mean, out / "checkpoint" / NETWORK)
    log.info("average", runs=[run.name for run in runs], folder=str(out))
