"""Fine-tune encoder and heads with transformers' Trainer; stops and starts again where it was."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import structlog
import torch
from datasets import Dataset, DatasetDict, concatenate_datasets
from torch import Tensor
from transformers import AutoConfig, PreTrainedTokenizerBase, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from training.network import TriageNetwork, load_checkpoint, load_encoder, load_tokenizer, save_checkpoint
from training.wide import fit_wide
from triage.taxonomy import DEMANDS, HEADS, RISKS, TYPES

log = structlog.get_logger()

TARGETS = ("types", "primary", "intensity", "emotions", "demands", "risks", "mood")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run; stored with it and carried into the bundle's manifest.

    ``stop_after`` ends it after so many steps, while the learning rate is still on its way down over ``epochs``. A run
    begins either with a pretrained ``encoder`` (hub id or folder), cut to ``layers``, or with the checkpoint of
    an earlier one in the folder ``start``.
    """

    encoder: str | None = None
    start: str | None = None
    layers: int = 6
    keep: Literal["spread", "bottom"] = "bottom"
    epochs: float = 5.0
    stop_after: int | None = None
    batch: int = 16
    learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    layer_decay: float = 0.9
    weight_decay: float = 0.01
    warmup: float = 0.06
    max_tokens: int = 128
    authored_repeats: int = 2
    positive_weight_power: float = 0.5
    positive_weight_cap: float = 10.0
    bf16: bool = False
    seed: int = 7


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

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        log.info("finetune", step=state.global_step, of=state.max_steps, **(logs or {}))


def finetune(corpus: DatasetDict, run: Path, recipe: Recipe) -> None:
    """Train on ``corpus["train"]`` and write ``run/checkpoint``; an interrupted run goes on, a finished one stays."""
    if not (recipe.start or recipe.encoder):
        raise ValueError("expected a pretrained encoder (--encoder) or a checkpoint (--start), got neither")
    if (run / "checkpoint" / "network.safetensors").exists():
        log.info("finetune", already="finished", folder=str(run))
        return
    if recipe.start:
        recipe = replace(recipe, layers=AutoConfig.from_pretrained(recipe.start).num_hidden_layers)
    _same_recipe(run, recipe)
    set_seed(recipe.seed)
    tokenizer = load_tokenizer(recipe.start or str(recipe.encoder))
    texts = _repeated(corpus["train"], recipe)
    weights = _positive_weights(corpus, recipe)
    if recipe.start:
        network = load_checkpoint(Path(recipe.start), weights)
    else:
        network = TriageNetwork(load_encoder(str(recipe.encoder), recipe.layers, recipe.keep), weights)
    rows = _deep_rows(texts, tokenizer, recipe).add_column("wide", _wide(network, texts, tokenizer, run).tolist())
    arguments = TrainingArguments(
        output_dir=str(run / "trainer"),
        num_train_epochs=recipe.epochs,
        max_steps=recipe.stop_after or -1,
        per_device_train_batch_size=recipe.batch,
        lr_scheduler_type="linear",
        warmup_steps=recipe.warmup,
        max_grad_norm=1.0,
        bf16=recipe.bf16,
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        logging_steps=50,
        save_steps=250,
        save_total_limit=1,
        seed=recipe.seed,
        data_seed=recipe.seed,
        report_to=[],
        remove_unused_columns=False,
        dataloader_num_workers=0,
        disable_tqdm=not sys.stderr.isatty(),
    )
    optimizer = torch.optim.AdamW(_parameter_groups(network, recipe), weight_decay=recipe.weight_decay, fused=True)
    steps = math.ceil(len(rows) / recipe.batch) * recipe.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_then_linear(recipe.warmup * steps, steps))
    trainer = Trainer(
        model=network,
        args=arguments,
        train_dataset=rows,
        data_collator=Collator(tokenizer),
        optimizers=(optimizer, schedule),
        callbacks=[LogLine()],
    )
    trainer.train(
        resume_from_checkpoint=get_last_checkpoint(str(run / "trainer")) if (run / "trainer").exists() else None
    )
    save_checkpoint(network, tokenizer, run / "checkpoint")


def _same_recipe(run: Path, recipe: Recipe) -> None:
    """Refuse to continue a run under another recipe: its figures would belong to neither."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / "recipe.json"
    wanted = asdict(recipe)
    if path.exists() and (found := json.loads(path.read_text(encoding="utf-8"))) != wanted:
        changed = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        raise ValueError(f"{path}: this run was started with other values of {changed}; name another run or delete it")
    path.write_text(json.dumps(wanted, indent=1), encoding="utf-8")


def _repeated(train: Dataset, recipe: Recipe) -> Dataset:
    authored = train.filter(lambda source: source == "authored", input_columns="source")
    return concatenate_datasets([train] + [authored] * (recipe.authored_repeats - 1))


def _wide(network: TriageNetwork, texts: Dataset, tokenizer: PreTrainedTokenizerBase, run: Path) -> Tensor:
    """Fit the wide branch, or read it back when the run was interrupted after; its cross-fitted scores of the rows."""
    path = run / "wide.pt"
    if not path.exists():
        targets = {head.name: torch.tensor(list(texts[head.name])) for head in HEADS}
        crossed = fit_wide(network, tokenizer(list(texts["text"]))["input_ids"], targets)
        torch.save({"crossed": crossed, "branch": network.wide_state()}, path)
    kept = torch.load(path)
    network.load_state_dict(kept["branch"], strict=False)
    return Tensor(kept["crossed"])


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


def _warmup_then_linear(warmup: float, steps: float) -> Any:
    return lambda step: (
        step / max(1.0, warmup) if step < warmup else max(0.0, (steps - step) / max(1.0, steps - warmup))
    )
