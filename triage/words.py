"""Chinese words: cut by rjieba, counted by jieba's dictionary, which it cuts by. The only file that knows the two."""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import rjieba

_LONGEST_COUNTED = 2


def cut(text: str) -> list[tuple[str, int, int]]:
    """The words of ``text`` in order as ``(word, start, end)``; together they are the whole text."""
    return rjieba.tokenize(text, hmm=False)


@cache
def frequencies() -> dict[str, int]:
    """Every dictionary word of one or two characters with its count. Not to be changed."""
    # The file alone: importing jieba warns, and its tokenizer is a second, far larger copy of the dictionary.
    dictionary = Path(str(distribution("jieba").locate_file("jieba/dict.txt")))
    entries = (line.split(" ", 2) for line in dictionary.read_text(encoding="utf-8").splitlines())
    return {word: int(count) for word, count, _ in entries if len(word) <= _LONGEST_COUNTED}
