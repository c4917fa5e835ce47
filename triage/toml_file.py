"""One way to read a file that decisions are made by: TOML, checked by a schema, and faults named with their line."""

from __future__ import annotations

import hashlib
import re
import tomllib
from bisect import bisect_left
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

Schema = TypeVar("Schema", bound=BaseModel)
Place = tuple[str | int, ...]
"""The way to a value: names of fields and places in lists, as ``("rules", 3, "when")``."""


class FileModel(BaseModel):
    """What stands in such a file, immutable once read; an unknown field is refused together with those that are known.

    A validator that looks at several fields begins what it says with the place it means: ``rules.3.tier: …``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _fields_are_known(cls, given: Any) -> Any:
        if isinstance(given, dict) and (unknown := sorted(set(given) - set(cls.model_fields))):
            raise ValueError(
                f"{unknown[0]}: found the unknown field {unknown[0]!r}, expected some of {list(cls.model_fields)}"
            )
        return given


def read_toml(path: Path, model: type[Schema], error: type[Exception]) -> tuple[Schema, str]:
    """What a file holds and its SHA-256.

    Raises ``error`` with the file, the line, the field, what was found there and what was expected.
    """
    try:
        raw = path.read_bytes()
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror}); expected a file in TOML") from fault
    try:
        text = raw.decode("utf-8")
        held = model.model_validate(tomllib.loads(text))
    except ValidationError as fault:
        where, said = first_fault(fault)
        raise error(f"{path}:{line_of(text, where)}: {'.'.join(map(str, where)) or 'file'}: {said}") from fault
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise error(f"{path}: is not valid TOML in UTF-8: {fault}") from fault
    return held, hashlib.sha256(raw).hexdigest()


def line_of(text: str, where: Place) -> int:
    """The line, counted from 1, at which the statement begins that gives the value at ``where`` in a TOML text.

    Of what is missing the line of the table it should stand in; 1 where that is the file itself.
    """
    document = tomllib.loads(text)
    while where and not _is_in(document, where):
        where = where[:-1]
    lines = text.splitlines(keepends=True)

    def is_given(count: int) -> bool:
        """Whether it stands in the first ``count`` lines and those that the last statement among them runs on over."""
        for end in range(count, len(lines)):
            try:
                return _is_in(tomllib.loads("".join(lines[:end])), where)
            except tomllib.TOMLDecodeError:
                continue
        return True

    return max(1, bisect_left(range(len(lines) + 1), True, key=is_given))


def first_fault(fault: ValidationError) -> tuple[Place, str]:
    """Where the first fault is, and what is said of it; a validator may begin what it says with the place it means."""
    first = fault.errors(include_url=False)[0]
    where: Place = tuple(part for part in first["loc"] if part != "[key]")  # pydantic's mark of a wrong key
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] not in ("value_error", "missing"):
        return where, f"{said}, found {first['input']!r:.80}"
    path, colon, rest = said.partition(": ")
    if not colon or not re.fullmatch(r"[\w.]+", path):
        return where, said
    return (*where, *(int(part) if part.isdigit() else part for part in path.split("."))), rest


def _is_in(value: Any, where: Place) -> bool:
    for part in where:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
