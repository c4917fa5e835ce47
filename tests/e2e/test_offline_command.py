"""``fenzhen triage`` as a process: interrupted, continued, and in agreement with the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from triage.bundle import open_champion

ROOT = Path(__file__).parents[2]


def write_tickets(path: Path, number: int) -> list[dict]:
    tickets = [
        {
            "text": f"第{n}次打客服电话都没人接,说好的退款{n}元一直不到账",
            "ticket_id": f"T{n}",
            "source": "crm",
            "received_at": "2026-03-04T09:30:00+08:00",
        }
        for n in range(number)
    ]
    path.write_text("".join(json.dumps(ticket, ensure_ascii=False) + "\n" for ticket in tickets), "utf-8")
    return tickets


def test_killed_and_run_again_it_gives_what_it_would_have_given(fenzhen, environment, tmp_path: Path) -> None:
    write_tickets(tmp_path / "in.jsonl", 600)
    arguments = ["triage", "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl"]
    job = subprocess.Popen(
        [sys.executable, "-m", "serving.cli", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    output = tmp_path / "out.jsonl"
    while not output.exists() or output.stat().st_size < 50_000:
        assert job.poll() is None, "the job ended before it could be killed"
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    job.wait()

    again = fenzhen(*arguments)
    assert again.returncode == 0, again.stderr
    whole = tmp_path / "whole.jsonl"
    assert fenzhen("triage", "--input", tmp_path / "in.jsonl", "--output", whole).returncode == 0
    assert output.read_bytes() == whole.read_bytes()
    assert [json.loads(line)["ticket_id"] for line in output.read_bytes().splitlines()] == [f"T{n}" for n in range(600)]


def test_it_decides_as_the_server_does(fenzhen, serve, tmp_path: Path) -> None:
    tickets = write_tickets(tmp_path / "in.jsonl", 20)
    assert fenzhen("triage", "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl").returncode == 0
    results = serve().client.post("/v1/triage/batch", json={"tickets": tickets}).json()["results"]
    offline = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert offline == [result["decision"] for result in results]


def test_rejects_make_the_exit_code_1_and_unusable_files_2(fenzhen, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "客服骂人"}\n{"text": ""}\n', "utf-8")
    job = fenzhen("triage", "--input", source, "--output", output, "--rejects", tmp_path / "bad.jsonl")
    assert job.returncode == 1
    assert "line 2" in job.stderr
    assert json.loads((tmp_path / "bad.jsonl").read_text())["line"] == 2
    missing = fenzhen("triage", "--input", tmp_path / "none", "--output", tmp_path / "none.out")
    assert missing.returncode == 2
    assert "none" in missing.stderr


@pytest.mark.shared
@pytest.mark.skipif("FENZHEN_DATA" not in os.environ, reason="FENZHEN_DATA does not point at the corpora")
def test_real_labelled_complaints_are_all_read(fenzhen, tmp_path: Path) -> None:
    """Without a reject, and the decisions are worth what the model card says."""
    corpus, output = Path(os.environ["FENZHEN_DATA"]) / "complaints" / "dev.jsonl", tmp_path / "out.jsonl"
    assert fenzhen("triage", "--input", corpus, "--output", output).returncode == 0
    gold = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    decisions = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in gold] == [decision["ticket_id"] for decision in decisions]
    right = [row["primary"] == decision["primary_type"] for row, decision in zip(gold, decisions, strict=True)]
    stated = open_champion(ROOT / "models").manifest.metrics["dev"]["primary_accuracy"]
    assert sum(right) / len(right) == pytest.approx(stated, abs=0.01)
