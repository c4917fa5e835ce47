"""The hand-written samples obey the guideline, cover every label and contain only invented personal numbers."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from stdnum import luhn
from stdnum.cn import ric

from triage import taxonomy
from triage.ticket import Ticket

DATA = Path(__file__).parents[2] / "data"
SAMPLES = DATA / "samples"
LABELLED = ("insurance", "banking", "ecommerce", "telecom", "other", "hard")
FIELDS = {"id", "text", "source", "industry", "types", "primary", "intensity", "emotions", "demands", "risks", "slice"}
NEGATIVE = ("anger", "disgust", "fear", "sadness")
ABSTAIN_REASONS = {"empty", "no_words", "non_chinese", "gibberish"}
OUT_OF_DOMAIN_KINDS = {"poem", "news", "english", "code", "gibberish", "emoji"}


def read(name: str) -> list[dict[str, Any]]:
    lines = (SAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


ROWS = [row for name in LABELLED for row in read(name)]
by_id = pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])


def in_order(values: list[str], labels: tuple[taxonomy.Label, ...]) -> bool:
    return values == [name for name in taxonomy.names(labels) if name in values]


@by_id
def test_row_has_the_schema_and_known_labels(row: dict[str, Any]) -> None:
    assert set(row) == FIELDS
    assert row["source"] == "fenzhen-samples"
    assert all(isinstance(row[field], str) and row[field].strip() for field in ("id", "text", "industry", "slice"))
    assert in_order(row["types"], taxonomy.TYPES)
    assert in_order(row["demands"], taxonomy.DEMANDS)
    assert in_order(row["risks"], taxonomy.RISKS)
    assert set(row["emotions"]) <= set(taxonomy.names(taxonomy.EMOTIONS))
    assert all(level in (1, 2, 3) for level in row["emotions"].values())
    assert row["intensity"] in range(len(taxonomy.INTENSITY_LEVELS))


@by_id
def test_row_is_consistent(row: dict[str, Any]) -> None:
    if row["types"]:
        assert row["primary"] in row["types"]
    else:
        assert row["primary"] == taxonomy.OTHER.name
    strongest = max(row["emotions"].get(name, 0) for name in NEGATIVE)
    assert strongest - 1 <= row["intensity"] <= strongest + 1
    if taxonomy.CRISIS_RISKS & set(row["risks"]):
        assert row["intensity"] == 3, "the guideline puts every crisis at intensity 3"
    if "illicit" in row["types"]:
        assert row["primary"] == "illicit", "none of the samples has weak signs only"


def test_samples_are_many_and_never_the_same_text_twice() -> None:
    assert len(ROWS) >= 200
    spaceless = ROWS + read("out_of_domain")
    ids = Counter(row["id"] for row in spaceless + read("abstain"))
    texts = Counter(re.sub(r"\s", "", row["text"]) for row in spaceless)
    texts += Counter(row["text"] for row in read("abstain"))
    assert [name for name, count in ids.items() if count > 1] == []
    assert [text for text, count in texts.items() if count > 1] == []


def test_every_label_and_level_is_covered() -> None:
    seen: Counter[str] = Counter()
    for row in ROWS:
        seen.update(row["types"] + row["demands"] + row["risks"])
        seen.update([f"primary {row['primary']}", f"intensity {row['intensity']}"])
        seen.update(f"{name} {level}" for name, level in row["emotions"].items())
    wanted = dict.fromkeys(taxonomy.names(taxonomy.TYPES + taxonomy.DEMANDS + taxonomy.RISKS), 5)
    wanted |= {f"primary {name}": 25 for name in taxonomy.names((*taxonomy.TYPES, taxonomy.OTHER))}
    wanted |= {f"intensity {level}": 5 for level in range(4)}
    wanted |= {f"{name} {level}": 5 for name in taxonomy.names(taxonomy.EMOTIONS) for level in (1, 2, 3)}
    wanted |= {"self_harm": 10, "violence": 8, "illicit": 25, "refusal": 35}
    missing = {name: (seen[name], least) for name, least in wanted.items() if seen[name] < least}
    assert missing == {}, "label: (rows, rows wanted)"


def test_lengths_range_from_a_phrase_to_a_letter() -> None:
    lengths = [len(row["text"]) for row in ROWS]
    assert sum(length <= 20 for length in lengths) >= 5
    assert sum(length >= 300 for length in lengths) >= 5
    assert sum(length > 800 for length in lengths) >= 3


def test_personal_numbers_are_valid_in_form_and_from_the_invented_ranges() -> None:
    texts = "\n".join(row["text"] for row in ROWS + read("demo"))
    phones = re.findall(r"(?<!\d)1[3-9]\d{9}(?!\d)", texts)
    identities = [number for number in re.findall(r"(?<!\d)\d{17}[\dX](?!\d)", texts) if ric.is_valid(number)]
    cards = [number for number in re.findall(r"(?<!\d)\d{16,19}(?!\d)", texts) if luhn.is_valid(number)]
    assert len(phones) >= 5
    assert {phone[:9] for phone in phones} == {"138000000"}
    assert len(identities) >= 3
    assert len(cards) >= 3


def test_abstain_rows_pass_the_door_and_name_a_reason() -> None:
    rows = read("abstain")
    assert len(rows) >= 30
    for row in rows:
        assert set(row) == {"id", "text", "reason"}
        Ticket(text=row["text"])
    assert {row["reason"] for row in rows} == ABSTAIN_REASONS


def test_out_of_domain_rows_pass_the_door_and_every_kind_is_covered() -> None:
    rows = read("out_of_domain")
    for row in rows:
        assert set(row) == {"id", "text", "reason"}
        Ticket(text=row["text"])
    kinds = Counter(row["reason"] for row in rows)
    assert set(kinds) == OUT_OF_DOMAIN_KINDS
    assert {kind: count for kind, count in kinds.items() if count < 40} == {}
    lengths = {kind: [len(row["text"]) for row in rows if row["reason"] == kind] for kind in ("poem", "news")}
    assert 20 <= min(lengths["poem"]) <= max(lengths["poem"]) <= 120
    assert 40 <= min(lengths["news"]) <= max(lengths["news"]) <= 200


def test_demo_tickets_are_accepted_by_the_ticket_schema() -> None:
    tickets = [Ticket.model_validate(row) for row in read("demo")]
    assert len(tickets) == 12
    assert len({(ticket.source, ticket.ticket_id) for ticket in tickets}) == 12


def test_readme_states_the_number_of_rows() -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    stated = {name: int(rows) for name, rows in re.findall(r"^\| `(\w+)\.jsonl` \| (\d+) \|", readme, re.MULTILINE)}
    assert stated == {path.stem: len(read(path.stem)) for path in SAMPLES.glob("*.jsonl")}
