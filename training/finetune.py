"""Fine-tune encoder and heads with transformers' Trainer; stops and starts again where it was."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import structlog
import torch
from datasets import Dataset, DatasetDict, concatenate_datasets
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import (
    AutoConfig,
    EvalPrediction,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from training.network import TriageNetwork, load_checkpoint, load_encoder, load_tokenizer, save_checkpoint
from training.variants import with_variants
from training.wide import average_precision, fit_wide
from triage.taxonomy import DEMANDS, HEADS, RISKS, TYPES, unit_slices

log = structlog.get_logger()

EVERY = 250
STANDARDISED_ON = 2000
VARIANT_SEED = 7
"""Runs that differ in their seed alone learn the same rows, so that their weights may be averaged."""
TARGETS = ("types", "primary", "intensity", "emotions", "demands", "risks", "mood")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run; stored with it and carried into the bundle's manifest.

    A run begins either with a pretrained ``encoder`` (hub id or folder), cut to ``layers``, or with the checkpoint of
    an earlier one in the folder ``start``. ``token_dropout`` is the share of tokens hidden from the deep branch,
    ``variants`` that of the complaints of which another wording is added.
    """

    encoder: str | None = None
    start: str | None = None
    layers: int = 6
    keep: Literal["spread", "bottom"] = "bottom"
    epochs: float = 4.0
    batch: int = 32
    learning_rate: float = 1e-4
    head_learning_rate: float = 3e-4
    layer_decay: float = 0.9
    weight_decay: float = 0.01
    warmup: float = 0.06
    max_tokens: int = 128
    token_dropout: float = 0.1
    hard_repeats: int = 2
    variants: float = 0.25
    positive_weight_power: float = 0.5
    positive_weight_cap: float = 10.0
    bf16: bool = False
    seed: int = 7


def half_precision() -> bool:
    """Whether bf16 is faster here: on GPUs and on CPUs that multiply it. Emulated it is twenty times slower."""
    return torch.cuda.is_available() or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


class Collator:
    """Pads a batch to its longest text and stacks the targets."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Tensors by name: token ids and mask (batch, tokens) and one target tensor per head."""
        batch = dict(self.tokenizer.pad([{"input_ids": row["input_ids"]} for row in rows], return_tensors="pt"))
        for name in TARGETS:
            batch[name] = torch.tensor([row[name] for row in rows])
        batch["wide"] = torch.tensor([row["wide"] for row in rows])
        return batch


class LogLine(TrainerCallback):
    """The Trainer's figures as plain log lines."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        log.info(self.stage, step=state.global_step, of=state.max_steps, **(logs or {}))


def finetune(corpus: DatasetDict, run: Path, recipe: Recipe) -> None:
    """Train on ``corpus["train"]`` and write ``run/checkpoint``; an interrupted run goes on, a finished one stays.

    Kept is the state that ranks the calibration split best, measured every ``EVERY`` steps: the last one may have
    learnt its rows by heart.
    """
    if not (recipe.start or recipe.encoder):
        raise ValueError("expected a pretrained encoder (--encoder) or a checkpoint (--start), got neither")
    if (run / "checkpoint" / "network.safetensors").exists():
        log.info("finetune", already="finished", folder=str(run))
        return
    if recipe.start:
        recipe = replace(recipe, layers=AutoConfig.from_pretrained(recipe.start).num_hidden_layers)
    same_recipe(run, asdict(recipe))
    set_seed(recipe.seed)
    tokenizer = load_tokenizer(recipe.start or str(recipe.encoder))
    texts = _repeated(corpus["train"], recipe)
    weights = _positive_weights(corpus, recipe)
    if recipe.start:
        network = load_checkpoint(Path(recipe.start), weights)
    else:
        network = TriageNetwork(load_encoder(str(recipe.encoder), recipe.layers, recipe.keep), weights)
    network.hide_tokens(recipe.token_dropout, tokenizer.mask_token_id)
    crossed = _wide(network, texts, tokenizer, run, bool(recipe.start))
    rows = _deep_rows(texts, tokenizer, recipe).add_column("wide", crossed.tolist())
    held_out = corpus["calibration"]
    held_out = _deep_rows(held_out, tokenizer, recipe).add_column("wide", _served_wide(network, held_out, tokenizer))
    collate = Collator(tokenizer)
    if not recipe.start:
        some = rows.shuffle(seed=recipe.seed).select(range(min(STANDARDISED_ON, len(rows))))
        network.standardise(DataLoader(some, recipe.batch, collate_fn=collate))
    evaluation = {
        "eval_strategy": "steps",
        "eval_steps": EVERY,
        "per_device_eval_batch_size": 64,
        "label_names": list(TARGETS),
        "load_best_model_at_end": True,
        "metric_for_best_model": "average_precision",
    }
    optimizer = torch.optim.AdamW(_parameter_groups(network, recipe), weight_decay=recipe.weight_decay, fused=True)
    steps = math.ceil(len(rows) / recipe.batch) * recipe.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_linear(recipe.warmup * steps, steps))
    trainer = Trainer(
        model=network,
        args=arguments(run, recipe, **evaluation),
        train_dataset=rows,
        eval_dataset=held_out,
        compute_metrics=_ranking,
        data_collator=collate,
        optimizers=(optimizer, schedule),
        callbacks=[LogLine("finetune")],
    )
    go_on(trainer)
    save_checkpoint(network, tokenizer, run / "checkpoint")


def arguments(run: Path, recipe: Any, **more: Any) -> TrainingArguments:
    """What every run asks of the Trainer, and ``more``; the optimiser and its rates are given beside it."""
    return TrainingArguments(
        output_dir=str(run / "trainer"),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch,
        max_grad_norm=1.0,
        bf16=recipe.bf16,
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        logging_steps=50,
        save_steps=EVERY,
        save_total_limit=2,
        seed=recipe.seed,
        data_seed=recipe.seed,
        report_to=[],
        remove_unused_columns=False,
        dataloader_num_workers=0,
        disable_tqdm=not sys.stderr.isatty(),
        **more,
    )


def go_on(trainer: Trainer) -> None:
    """Train from the beginning, or from the last state that an interrupted run has saved."""
    folder = Path(str(trainer.args.output_dir))
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)) if folder.exists() else None)


def same_recipe(run: Path, wanted: dict[str, Any]) -> None:
    """Refuse to continue a run under another recipe: its figures would belong to neither."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / "recipe.json"
    if path.exists() and (found := json.loads(path.read_text(encoding="utf-8"))) != wanted:
        changed = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        raise ValueError(f"{path}: this run was started with other values of {changed}; name another run or delete it")
    path.write_text(json.dumps(wanted, indent=1), encoding="utf-8")


def _repeated(train: Dataset, recipe: Recipe) -> Dataset:
    """The rows as they are learnt from: hard ones several times, and some in another wording too."""
    hard = train.filter(bool, input_columns="slice")
    return concatenate_datasets(
        [with_variants(train, recipe.variants, VARIANT_SEED)] + [hard] * (recipe.hard_repeats - 1)
    )


def _wide(
    network: TriageNetwork, texts: Dataset, tokenizer: PreTrainedTokenizerBase, run: Path, trained: bool
) -> Tensor:
    """Fit the wide branch, or read it back when the run was interrupted after; its cross-fitted scores of the rows.

    A network that is ``trained`` keeps its biases and thresholds, which belong to both branches by then.
    """
    path = run / "wide.pt"
    if not path.exists():
        targets = {head.name: torch.tensor(list(texts[head.name])) for head in HEADS}
        learnt = network.offsets()
        crossed = fit_wide(network, tokenizer(list(texts["text"]))["input_ids"], targets, list(texts["id"]))
        branch = network.wide_state() | (learnt if trained else network.offsets())
        torch.save({"crossed": crossed, "branch": branch}, path)
    kept = torch.load(path)
    network.load_state_dict(kept["branch"], strict=False)
    return Tensor(kept["crossed"])


def _served_wide(network: TriageNetwork, texts: Dataset, tokenizer: PreTrainedTokenizerBase) -> list[list[float]]:
    """The scores that the fitted wide branch itself gives texts that it was not fitted on."""
    with torch.inference_mode():
        return [
            network.wide_contributions(torch.tensor([ids]), None).sum(dim=1)[0].tolist()
            for ids in tokenizer(list(texts["text"]))["input_ids"]
        ]


def _ranking(predicted: EvalPrediction) -> dict[str, float]:
    """Average precision of each head's units, and the mean over the heads, on the rows that carry it."""
    targets = dict(zip(TARGETS, predicted.label_ids, strict=True))
    found = {}
    for head, where in zip(HEADS, unit_slices().values(), strict=True):
        known = targets[head.name].reshape(len(targets[head.name]), -1).min(axis=1) >= 0
        found[head.name] = average_precision(
            head, targets[head.name][known], np.asarray(predicted.predictions)[known, where]
        )
    return {"average_precision": float(np.mean(list(found.values()))), **found}


def _deep_rows(texts: Dataset, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> Dataset:
    """Targets, token ids and length of each row, with long texts cut to what the deep branch is trained on."""
    ids = [_ends(row, recipe.max_tokens) for row in tokenizer(list(texts["text"]))["input_ids"]]
    data = texts.select_columns(list(TARGETS)).add_column("input_ids", ids)
    return data.add_column("length", [len(row) for row in ids])


def _ends(ids: list[int], most: int) -> list[int]:
    """The first 5/8 and the last 3/8 of a text that is too long: what is asked for often stands at its end."""
    if len(ids) <= most:
        return ids
    head = most * 5 // 8
    return ids[:head] + ids[head - most :]


def _positive_weights(corpus: DatasetDict, recipe: Recipe) -> dict[str, list[float]]:
    """(negatives / positives) ** power per rare label, capped; calibration takes the shift back out afterwards."""
    weights = {}
    for head, labels in (("types", TYPES), ("demands", DEMANDS), ("risks", RISKS)):
        known = torch.tensor([row for row in corpus["train"][head] if row[0] >= 0]).reshape(-1, len(labels))
        positives = known.sum(dim=0).clamp(min=1)
        ratio = ((len(known) - positives).clamp(min=1) / positives) ** recipe.positive_weight_power
        weights[head] = ratio.clamp(1.0, recipe.positive_weight_cap).tolist()
    return weights


def _parameter_groups(network: TriageNetwork, recipe: Recipe) -> list[dict[str, Any]]:
    """Heads at their own rate; encoder layers at rates that decay towards the embeddings."""
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not name.startswith("encoder."):
            rate = recipe.head_learning_rate
        elif name.startswith("encoder.encoder.layer."):
            depth = int(name.split(".")[3])
            rate = recipe.learning_rate * recipe.layer_decay ** (recipe.layers - 1 - depth)
        else:
            rate = recipe.learning_rate * recipe.layer_decay**recipe.layers
        groups.setdefault(rate, []).append(parameter)
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]


def warmup_then_linear(warmup: float, steps: float) -> Any:
    """A schedule for ``LambdaLR``: up to the full rate in ``warmup`` steps, then down to nothing at ``steps``."""
    return lambda step: (
        step / max(1.0, warmup) if step < warmup else max(0.0, (steps - step) / max(1.0, steps - warmup))
    )
