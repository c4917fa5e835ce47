"""Chinese words: jieba's dictionary and cutting. The only file that touches jieba."""

from __future__ import annotations

import logging
import threading
import warnings
from functools import cache
from pathlib import Path
from typing import Any

_loading = threading.Lock()


def warm_up() -> None:
    """Load the dictionary (under a second), so that the first ticket does not wait for it."""
    _tokenizer()


def cut(text: str) -> list[tuple[str, int, int]]:
    """The words of ``text`` in order as ``(word, start, end)``; together they are the whole text."""
    words = []
    start = 0
    for word in _tokenizer().cut(text, HMM=False):
        words.append((word, start, start + len(word)))
        start += len(word)
    return words


def frequencies() -> dict[str, int]:
    """Every dictionary word with its count; prefixes of longer words stand in it with 0. Not to be changed."""
    counts: dict[str, int] = _tokenizer().FREQ
    return counts


def _tokenizer() -> Any:
    with _loading:
        return _load()


@cache
def _load() -> Any:
    with warnings.catch_warnings():
        # jieba's sources hold invalid escapes and, on old set-ups, import pkg_resources: both warn at import.
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # jieba.initialize() would read back a marshal file that anyone on the machine may have put into the temporary
    # folder, so the dictionary is read from the package itself.
    with (Path(jieba.__file__).parent / "dict.txt").open("rb") as lines:
        tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(lines)
    tokenizer.initialized = True
    return tokenizer
