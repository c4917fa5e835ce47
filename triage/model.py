"""The network as it is served. The only file that knows onnxruntime and tokenizers.

One text, one run, one thread: there is no padding and no neighbour that a score could depend on. Several runs go on
side by side, because a session may be called from many threads at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of at most ``max_tokens`` tokens. ``offsets[i]`` is the [start, end) of token i in the text."""

    ids: NDArray[np.int64]
    offsets: list[tuple[int, int]]


class Model:
    """An ONNX graph with its tokenizer; safe to call from several threads."""

    def __init__(self, graph: Path, tokenizer: Path, *, max_tokens: int, overlap: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._body = max_tokens - 2
        self._step = max_tokens - 2 - overlap

    def windows(self, text: str) -> list[Window]:
        """The text as overlapping windows; a single one unless it is longer than ``max_tokens``."""
        encoding = self._tokenizer.encode(text)
        ids, offsets = encoding.ids, encoding.offsets
        if len(ids) <= self._body + 2:
            return [Window(np.array(ids, dtype=np.int64), offsets)]
        first, last = ids[0], ids[-1]
        windows = []
        for start in range(1, len(ids) - 1, self._step):
            end = min(start + self._body, len(ids) - 1)
            body = np.array([first, *ids[start:end], last], dtype=np.int64)
            windows.append(Window(body, [(0, 0), *offsets[start:end], (0, 0)]))
            if end == len(ids) - 1:
                break
        return windows

    def run(self, window: Window) -> dict[str, Array]:
        """Outputs by name: logits per head, ``contributions`` (tokens, units) and ``sentence_embedding`` (width)."""
        values = self._session.run(self._outputs, {"input_ids": window.ids[None]})
        return {name: value[0] for name, value in zip(self._outputs, values, strict=True)}
