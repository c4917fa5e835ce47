"""From the torch network to the ONNX graph that is served: export, int8 weights, and the proof that they agree."""

from __future__ import annotations

import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import structlog
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from torch import Tensor, nn

from training.network import TriageNetwork
from triage.model import Array, Model, Window
from triage.taxonomy import HEADS
from triage.text import clean

log = structlog.get_logger()

OUTPUTS = (*(head.name for head in HEADS), "contributions", "sentence_embedding")
LENGTHS = (3, 17, 64, 200, 512)
"""Token counts that the exported graph is compared with torch on."""
EXPORT_TOLERANCE = 1e-3
EVENING = 0.8
"""How much of the unevenness goes over to the weights, which have a scale for each column of their own."""
CHINESE = re.compile(r"[\u4e00-\u9fff]|^[\x20-\x40\[-`{-~]+$")


class ParityError(RuntimeError):
    """An exported graph that does not compute what the network computes."""


class _Served(nn.Module):
    """The network as the graph has it: one text, no mask, plain tensors out in the order of ``OUTPUTS``."""

    def __init__(self, network: TriageNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        logits, contributions, embedding = self.network.scores(input_ids, None)
        return (*(logits[head.name] for head in HEADS), contributions, embedding)


class _Evened(nn.Module):
    """An activation whose channels are brought to one size; the product that follows has the scales taken back."""

    scale: Tensor

    def __init__(self, activation: nn.Module, scale: Tensor) -> None:
        super().__init__()
        self.activation = activation
        self.register_buffer("scale", scale)

    def forward(self, states: Tensor) -> Tensor:
        return self.activation(states) * self.scale


class _Words(nn.Module):
    """Word embeddings of the tokens that are served; every other token reads as the unknown one."""

    row_of_token: Tensor

    def __init__(self, words: Tensor, kept: list[int], unknown: int | None) -> None:
        super().__init__()
        fallback = 0 if unknown is None else kept.index(unknown)
        rows = torch.full((len(words),), fallback, dtype=torch.int16)
        rows[kept] = torch.arange(len(kept), dtype=torch.int16)
        self.register_buffer("row_of_token", rows)
        self.kept = nn.Embedding.from_pretrained(words[kept])

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.kept(self.row_of_token[input_ids].long())


def build_graph(network: TriageNetwork, tokenizer: Path, out: Path, seen: set[int], texts: list[str]) -> dict[str, Any]:
    """Write ``fp32.onnx`` and ``model.onnx`` (int8 weights) into ``out``; the largest differences from torch by output.

    ``seen`` are the token ids of the training texts: they keep their embeddings beside the ``chinese`` ones. On
    ``texts`` is measured how large the channels inside the feed-forward blocks are, which are then evened out, and
    which product suffers most from rounding all the same; that one is spared.
    Raises ParityError when a name or shape differs or a single-precision value is off by more than allowed.
    """
    out.mkdir(parents=True, exist_ok=True)
    network.eval()
    even_out(network, Tokenizer.from_file(str(tokenizer)), texts)
    kept = sorted(seen | chinese(tokenizer))
    unknown = Tokenizer.from_file(str(tokenizer)).token_to_id("<unk>")
    words = network.encoder.embeddings.word_embeddings.weight.detach()
    network.encoder.set_input_embeddings(_Words(words, kept, unknown))
    export_fp32(network, out / "fp32.onnx")
    spared = _spare(out, tokenizer, texts)
    parity: dict[str, Any] = {
        "lengths": list(LENGTHS),
        "spared": spared,
        "words": {"kept": len(kept), "of": len(words)},
        "fp32_max_difference": _compare(network, out / "fp32.onnx", tokenizer),
        "int8_max_difference": _compare(network, out / "model.onnx", tokenizer),
        "bytes": {"fp32": (out / "fp32.onnx").stat().st_size, "int8": (out / "model.onnx").stat().st_size},
    }
    worst = max(parity["fp32_max_difference"].values())
    if worst > EXPORT_TOLERANCE:
        raise ParityError(f"{out / 'fp32.onnx'}: differs from torch by {worst:.2g}, allowed {EXPORT_TOLERANCE:.2g}")
    log.info("graph", fp32=f"{worst:.2g}", int8=f"{max(parity['int8_max_difference'].values()):.2g}")
    return parity


def even_out(network: TriageNetwork, tokenizer: Tokenizer, texts: list[str]) -> None:
    """Divide the channels between the two feed-forward products by about their size, and multiply the weights by it.

    A few channels are forty times larger than the others, and one 8-bit scale for all would round the others away. What
    the network computes stays the same (SmoothQuant, Xiao et al. 2022).
    """
    layers: list[Any] = list(network.encoder.encoder.layer)  # nn.Module types its parts as Tensor or Module
    peaks = [torch.zeros(layer.output.dense.in_features) for layer in layers]

    def remember(index: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            peaks[index] = torch.maximum(peaks[index], inputs[0].abs().amax(dim=(0, 1)))

        return hook

    hooks = [layer.output.dense.register_forward_pre_hook(remember(index)) for index, layer in enumerate(layers)]
    with torch.inference_mode():
        for encoding in tokenizer.encode_batch(texts):
            network.encoder(input_ids=torch.tensor([encoding.ids[:512]]))
    for hook in hooks:
        hook.remove()
    for layer, peak in zip(layers, peaks, strict=True):
        weight = layer.output.dense.weight.data
        size = peak.clamp(min=1e-4) ** EVENING / weight.abs().amax(dim=0).clamp(min=1e-4) ** (1 - EVENING)
        size /= size.median()
        layer.output.dense.weight.data = weight * size
        layer.intermediate.intermediate_act_fn = _Evened(layer.intermediate.intermediate_act_fn, 1 / size)


def chinese(tokenizer: Path) -> set[int]:
    """Ids of the special tokens, of those with Han characters that cleaning leaves as they are, and of numbers.

    Traditional characters cannot reach the network; foreign words that no training text holds mean nothing to it.
    """
    model = Tokenizer.from_file(str(tokenizer))
    special = {id_ for id_, token in model.get_added_tokens_decoder().items() if token.special}
    pieces = ((piece.replace("▁", ""), id_) for piece, id_ in model.get_vocab().items())
    return special | {id_ for piece, id_ in pieces if CHINESE.search(piece) and clean(piece).text == piece}


def alone_equals_in_company(model: Model, texts: list[str], threads: int = 4) -> dict[str, Any]:
    """Whether each text scores bit for bit the same alone, again, in reverse order and beside ``threads`` others."""
    windows = [model.windows(text)[0] for text in texts]
    alone = [model.run(window) for window in windows]
    reverse = [model.run(window) for window in reversed(windows)][::-1]
    with ThreadPoolExecutor(threads) as pool:
        company = list(pool.map(model.run, windows))
    same = [
        all(np.array_equal(a[name], b[name]) and np.array_equal(a[name], c[name]) for name in a)
        for a, b, c in zip(alone, reverse, company, strict=True)
    ]
    return {"texts": len(texts), "threads": threads, "identical": sum(same)}


def export_fp32(network: TriageNetwork, path: Path) -> None:
    """Write the served form of the network as an ONNX graph in single precision."""
    example = torch.randint(5, 1000, (1, 24))
    torch.onnx.export(
        _Served(network).eval(),
        (example,),
        str(path),
        dynamo=True,
        input_names=["input_ids"],
        output_names=list(OUTPUTS),
        dynamic_shapes={"input_ids": {1: torch.export.Dim("tokens", min=2, max=512)}},
        external_data=False,
        verbose=False,
    )


def _spare(out: Path, tokenizer: Path, texts: list[str]) -> str:
    """Write ``model.onnx`` with the one feed-forward output in half precision whose rounding costs most; its scope.

    Single tokens are still far larger than the others there. Half precision costs half a megabyte a product.
    """
    graph = onnx.load(out / "fp32.onnx", load_external_data=False)
    choices = {_scope(node): node.name for node in graph.graph.node if node.op_type == "MatMul" and _closes(node)}
    exact = _logits(out / "fp32.onnx", tokenizer, texts)
    errors = {}
    for scope, node in choices.items():
        _quantise(out / "fp32.onnx", out / "model.onnx", node)
        errors[scope] = float(np.square(_logits(out / "model.onnx", tokenizer, texts) - exact).mean())
    best = min(errors, key=errors.__getitem__)
    _quantise(out / "fp32.onnx", out / "model.onnx", choices[best])
    log.info("graph", spared=best, errors={scope: round(error, 5) for scope, error in errors.items()})
    return best


def _logits(path: Path, tokenizer: Path, texts: list[str]) -> Array:
    model = Model(path, tokenizer, max_tokens=512, overlap=64)
    return np.stack([model.run(model.windows(text)[0])["types"] for text in texts])


def _quantise(source: Path, target: Path, spared: str) -> None:
    """Dynamic int8: weights per channel in 7 bits, which CPUs without VNNI need to add up without overflow."""
    graph = onnx.load(source)
    del graph.graph.value_info[:]  # the exporter's shapes are stale once the quantiser has rewritten nodes
    heads = [node.name for node in graph.graph.node if _belongs_to_heads(node)]
    with tempfile.TemporaryDirectory() as folder:
        stripped = Path(folder) / "graph.onnx"
        onnx.save(graph, stripped)
        quantize_dynamic(
            stripped,
            target,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["MatMul", "Gather", "Gemm"],
            nodes_to_exclude=[*heads, spared],
        )
    _halve(target, spared)


def _halve(path: Path, product: str) -> None:
    """Keep the weights of one product in half precision on disk; the runtime widens them once, when it opens."""
    graph = onnx.load(path)
    node = next(node for node in graph.graph.node if node.name == product)
    weights = next(tensor for tensor in graph.graph.initializer if tensor.name == node.input[1])
    halves = onnx.numpy_helper.from_array(
        onnx.numpy_helper.to_array(weights).astype(np.float16), weights.name + "_half"
    )
    graph.graph.initializer.remove(weights)
    graph.graph.initializer.append(halves)
    cast = onnx.helper.make_node("Cast", [halves.name], [weights.name], to=onnx.TensorProto.FLOAT)
    graph.graph.node.insert(0, cast)
    for part in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output, graph.graph):
        del part.metadata_props[:]  # the exporter's notes name the files of the machine it ran on
    onnx.save(graph, path)


def _closes(node: onnx.NodeProto) -> bool:
    """Whether a product is the second one of a layer's feed-forward block."""
    return re.search(r"layer\.\d+\.output", _scope(node)) is not None


def _scope(node: onnx.NodeProto) -> str:
    """The innermost part of the network that a node stems from."""
    scopes = [entry.value for entry in node.metadata_props if "name_scopes" in entry.key]
    return re.sub(r".*'([^']*layer\.\d+\.[a-z]+)[^']*'.*", r"\1", scopes[0]) if scopes else ""


def _belongs_to_heads(node: onnx.NodeProto) -> bool:
    """Heads stay in single precision, so that a logit is exactly the sum of its contributions."""
    scopes = [entry.value for entry in node.metadata_props if "name_scopes" in entry.key]
    return not any("encoder" in scope for scope in scopes)


def _compare(network: TriageNetwork, path: Path, tokenizer: Path) -> dict[str, float]:
    model = Model(path, tokenizer, max_tokens=512, overlap=64)
    generator = torch.Generator().manual_seed(1)
    worst = dict.fromkeys(OUTPUTS, 0.0)
    for length in LENGTHS:
        ids = torch.randint(5, network.encoder.config.vocab_size, (1, length), generator=generator)
        with torch.no_grad():
            expected = dict(zip(OUTPUTS, _Served(network)(ids), strict=True))
        found = model.run(Window(ids[0].numpy(), []))
        if set(found) != set(OUTPUTS):
            raise ParityError(f"{path}: outputs: expected {list(OUTPUTS)}, found {list(found)}")
        for name, value in expected.items():
            worst[name] = max(worst[name], _difference(path, name, value[0].numpy(), found[name]))
    return worst


def _difference(path: Path, name: str, expected: Array, found: Array) -> float:
    if expected.shape != found.shape:
        raise ParityError(f"{path}: {name}: expected the shape {expected.shape}, found {found.shape}")
    return float(np.abs(expected - found).max())
