"""Files that decisions are made by: a fault is named with file, line and field, in whichever of them it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from triage.clocks import DEFAULT_SLA, ClockError, load_clocks
from triage.playbook import DEFAULT_PLAYBOOK, PlaybookError, load_playbook
from triage.policy import DEFAULT_POLICY, PolicyError, load_policy
from triage.toml_file import line_of

FILES: dict[str, tuple[Path, Callable[[Path], object], type[Exception]]] = {
    "routing": (DEFAULT_POLICY, load_policy, PolicyError),
    "sla": (DEFAULT_SLA, load_clocks, ClockError),
    "playbook": (DEFAULT_PLAYBOOK, load_playbook, PlaybookError),
}
TEXT = """\
version = "1"  # of [rules]

[[rules]]
code = "first"
when = { phrases = [
  "退款",  # [[rules]]
  "投诉",
], min_amount = 5 }

[[rules]]
code = "second"
[rules.when]
min_probability = { refusal = 0.3 }

[queues."对 公"]
hours = [9, 17]
"""


def refused(tmp_path: Path, name: str, old: str, new: str) -> str:
    """What is said of the shipped file with its first ``old`` made ``new``."""
    shipped, load, error = FILES[name]
    text = shipped.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / f"{name}.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(error) as fault:
        load(path)
    return str(fault.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ((), 1),
        (("version",), 1),
        (("rules", 0), 3),
        (("rules", 0, "when"), 5),
        (("rules", 0, "when", "min_amount"), 5),
        (("rules", 1), 10),
        (("rules", 1, "code"), 11),
        (("rules", 1, "when"), 12),
        (("rules", 1, "when", "min_probability", "refusal"), 13),
        (("queues", "对 公", "hours", 1), 16),
    ],
)
def test_the_line_is_that_of_the_statement_that_gives_the_value(where: tuple[str | int, ...], line: int) -> None:
    assert line_of(TEXT, where) == line


@pytest.mark.parametrize(
    ("where", "line"),
    [(("versio",), 1), (("rules", 1, "tier"), 10), (("rules", 7), 3), (("queues", "对 公", "to"), 15)],
)
def test_what_is_missing_has_the_line_of_the_table_it_should_stand_in(where: tuple[str | int, ...], line: int) -> None:
    assert line_of(TEXT, where) == line


@pytest.mark.parametrize(
    ("name", "old", "new", "field"),
    [
        ("routing", 'risks = ["media"]', 'risks = ["press"]', "rules.7.when.risks"),
        ("routing", "min_amount = 10000", "min_amount = -1", "rules.10.when.min_amount"),
        ("routing", 'queue = "人身安全"', 'quue = "人身安全"', "rules.3.quue"),
        ("routing", 'illicit = "授权核验"', 'ilicit = "授权核验"', "queues"),
        ("sla", 'text = "L2 首次响应"', 'txt = "L2 首次响应"', "internal.2.txt"),
        ("sla", 'within = "3 工作日"', 'within = "三天"', "internal.3.within"),
        ("sla", 'code = "l2_resolution"', 'code = "l1_resolution"', "internal.3.code"),
        ("sla", "holidays = [2024-02-09]", "holidays = [20240209]", "calendars.交易所.holidays.0"),
        ("sla", 'within = "7 工作日"', 'within = "7 工作日"\nextend_over_holidays = true', "extend_over_holidays"),
        ("playbook", 'name = "在线"', 'name = "飞鸽"', "types.quality.channels.0.name"),
        ("playbook", '"道歉" = { guidance', '"认错" = { guidance', "types.quality.moves.认错"),
        ("playbook", 'min_tier = "L4"', 'min_tier = "L9"', "risks.self_harm.min_tier"),
    ],
)
def test_a_fault_is_named_with_file_line_and_field(tmp_path: Path, name: str, old: str, new: str, field: str) -> None:
    text = FILES[name][0].read_text(encoding="utf-8")
    at = text.index(old)
    # A field that is told apart from the one before it stands on the last line of what was put in.
    line = text.count("\n", 0, at) + 1 + new.count("\n")
    if field == "queues":
        line = text[:at].splitlines().index("[queues]  # by primary type; abstained tickets have their own") + 1
    file, said_line, said_field, rest = refused(tmp_path, name, old, new).split(":", 3)
    assert (file, int(said_line)) == (f"{name}.toml", line)
    assert said_field.strip().endswith(field)
    assert rest.strip()


@pytest.mark.parametrize(("name", "known"), [("routing", "queue"), ("sla", "internal"), ("playbook", "intensity")])
def test_an_unknown_field_is_refused_with_those_that_are_known(tmp_path: Path, name: str, known: str) -> None:
    said = refused(tmp_path, name, 'version = "', 'colour = "red"\nversion = "')
    assert "found the unknown field 'colour'" in said
    assert f"'{known}" in said


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_toml_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    assert "line " in refused(tmp_path, name, 'version = "', 'version := "')


@pytest.mark.parametrize("name", FILES)
def test_what_is_not_utf_8_or_not_there_is_refused_by_name(tmp_path: Path, name: str) -> None:
    _, load, error = FILES[name]
    path = tmp_path / "own.toml"
    path.write_bytes('version = "投诉"'.encode("gb18030"))
    with pytest.raises(error, match=r"own\.toml: is not valid TOML in UTF-8"):
        load(path)
    with pytest.raises(error, match=r"none\.toml: cannot be read"):
        load(tmp_path / "none.toml")
