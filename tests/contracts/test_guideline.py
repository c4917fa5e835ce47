"""The labelling guide and the taxonomy name the same labels, in the same order, with the same version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from triage import taxonomy

GUIDELINE = (Path(__file__).parents[2] / "data" / "GUIDELINE.md").read_text(encoding="utf-8")

EXPECTED = {
    "types": [f"{label.name} {label.zh}" for label in (*taxonomy.TYPES, taxonomy.OTHER)],
    "intensity": [f"{level} {zh}" for level, zh in enumerate(taxonomy.INTENSITY_LEVELS)],
    "emotions": [f"{label.name} {label.zh}" for label in taxonomy.EMOTIONS],
    "demands": [f"{label.name} {label.zh}" for label in taxonomy.DEMANDS],
    "risks": [f"{label.name} {label.zh}" for label in taxonomy.RISKS],
}


def parts(text: str, level: int) -> dict[str, str]:
    """Headings of one level with the text under each; a heading that stands twice fails the test."""
    pieces = re.split(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)[1:]
    titles, bodies = pieces[::2], pieces[1::2]
    assert len(titles) == len(set(titles)), f"a heading stands twice: {titles}"
    return dict(zip(titles, bodies, strict=True))


@pytest.mark.parametrize("chapter", EXPECTED)
def test_every_label_has_its_section_and_no_section_lacks_a_label(chapter: str) -> None:
    assert list(parts(parts(GUIDELINE, 2)[chapter], 3)) == EXPECTED[chapter]


def test_label_sections_stand_only_in_the_label_chapters() -> None:
    strays = [title for title, body in parts(GUIDELINE, 2).items() if title not in EXPECTED and parts(body, 3)]
    assert strays == []


@pytest.mark.parametrize("chapter", EXPECTED)
def test_every_section_shows_a_chinese_example(chapter: str) -> None:
    for title, body in parts(parts(GUIDELINE, 2)[chapter], 3).items():
        assert re.search(r"^- .*[\u4e00-\u9fff]{4,}", body, re.MULTILINE), f"{title}: add a bullet with an example"


def test_version_equals_the_taxonomy() -> None:
    assert re.findall(r"^Version: (\S+)$", GUIDELINE, re.MULTILINE) == [taxonomy.TAXONOMY_VERSION]
