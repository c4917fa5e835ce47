"""The reply shown in the READMEs is what the champion says today, and what they point at exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from serving.summary import summary
from triage import Ticket, load_pipeline

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
CLOSE = 0.02
"""Room for another CPU's rounding; labels, spans and versions must match exactly."""


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def assert_close(shown: Any, real: Any, where: str) -> None:
    if isinstance(shown, dict):
        assert shown.keys() == real.keys(), where
        for key in shown:
            assert_close(shown[key], real[key], f"{where}.{key}")
    elif isinstance(shown, list):
        assert len(shown) == len(real), where
        for index, (a, b) in enumerate(zip(shown, real, strict=True)):
            assert_close(a, b, f"{where}[{index}]")
    elif isinstance(shown, float):
        assert shown == pytest.approx(real, abs=CLOSE), where
    else:
        assert shown == real, where


@pytest.mark.parametrize("name", READMES)
def test_the_reply_shown_is_the_reply_given(name: str) -> None:
    text = read(name)
    request = re.search(r"-d '(\{.*?\})'", text, re.S)
    shown = re.search(r"```json\n(\{.*?\})\n```", text, re.S)
    assert request
    assert shown
    decision = load_pipeline(ROOT / "models").triage(Ticket.model_validate_json(request.group(1)))
    assert_close(json.loads(shown.group(1)), decision.model_dump(mode="json", exclude={"listening", "plan"}), name)
    page = re.search(r"```text\n(.*?)\n```", text, re.S)
    assert page
    assert page.group(1) == summary(decision)


@pytest.mark.parametrize("name", [*READMES, "ARCHITECTURE.md"])
def test_links_and_paths_exist(name: str) -> None:
    text = read(name)
    paths = re.findall(r"\]\(([^)#:]+)\)", text)
    paths += re.findall(r"`((?:triage|serving|training|tests|data)/[\w./-]+)`", text)
    assert paths
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing


def test_tests_named_in_the_architecture_exist() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", read("ARCHITECTURE.md")):
        assert f"def {name}(" in tests, name


def test_both_readmes_name_the_same_settings_and_calls() -> None:
    english, chinese = (set(re.findall(r"FENZHEN_[A-Z_]+|/v1/[\w/{}]+|make \w+", read(name))) for name in READMES)
    assert english - {"make train"} == chinese - {"make train"}


def test_no_path_of_a_machine_and_no_registry_host_is_committed() -> None:
    forbidden = re.compile(r"/(?:work|farm|root)/|https?://[\w.-]*(?:pypi|pythonhosted|npmjs|aliyun|tsinghua)")
    names = [
        *READMES,
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Makefile",
        "pyproject.toml",
        "constraints.txt",
        "training/LOG.md",
    ]
    for name in names:
        assert not forbidden.search(read(name)), name
