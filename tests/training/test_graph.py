"""The graph that serves: what is done to a network so that eight bits are enough must not change what it computes."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from training.graph import even_out
from training.network import TriageNetwork, load_encoder

TEXTS = ["退款一直不到账，客服不理人", "屏幕坏了，要求换货，三天没有回音！", "请问利息怎么算"]


def test_channels_are_evened_out_and_the_scores_stay(tiny_encoder: Path) -> None:
    torch.manual_seed(5)
    network = TriageNetwork(load_encoder(str(tiny_encoder), 2)).eval()
    torch.nn.init.normal_(network.directions)
    tokenizer = Tokenizer.from_file(str(tiny_encoder / "tokenizer.json"))
    layer = network.encoder.encoder.layer[0]
    layer.intermediate.dense.bias.data[7] += 40.0  # one channel far above the others, as trained encoders have them
    seen: list[Tensor] = []
    layer.output.dense.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].abs().amax(dim=(0, 1))))
    ids = torch.tensor([tokenizer.encode(TEXTS[0]).ids])
    with torch.inference_mode():
        before = network.scores(ids, None)[1]
        even_out(network, tokenizer, TEXTS)
        after = network.scores(ids, None)[1]
    assert torch.allclose(before, after, atol=1e-4)
    unevenness = [float(peaks.max() / peaks.median()) for peaks in (seen[0], seen[-1])]
    assert unevenness[1] < unevenness[0] / 10
