"""The offline job: every line is answered or reported, in order, once, whatever interrupts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.offline import job as offline
from serving.offline.state import JobError, JobState
from serving.settings import Settings

LINES = [{"text": f"第{n}次打电话没人接", "ticket_id": f"T{n}", "source": "crm"} for n in range(60)]


class Interrupted(BaseException):
    """Stands for what no handler catches: a signal, a power cut."""


class Job:
    """An offline job in a folder of its own."""

    def __init__(self, folder: Path, pipeline) -> None:
        self.input, self.output = folder / "in.jsonl", folder / "out.jsonl"
        self.rejects, self.state = folder / "bad.jsonl", folder / "out.jsonl.state"
        self.pipeline = pipeline

    def write(self, *lines: object) -> None:
        texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        self.input.write_bytes(b"\n".join(texts) + b"\n")

    def run(self) -> JobState:
        return offline.run(self.pipeline, self.input, self.output, self.rejects, Settings(workers=2))

    def decided(self) -> list[str]:
        return [json.loads(line)["ticket_id"] for line in self.output.read_bytes().splitlines()]

    def rejected(self) -> list[tuple[int, str]]:
        entries = [json.loads(line) for line in self.rejects.read_bytes().splitlines()]
        return [(entry["line"], entry["problem"]["type"].rpartition(":")[2]) for entry in entries]


@pytest.fixture
def job(tmp_path: Path, pipeline) -> Job:
    return Job(tmp_path, pipeline)


def test_one_decision_per_line_in_order(job: Job) -> None:
    job.write(*LINES)
    state = job.run()
    assert (state.lines, state.accepted, state.rejected) == (60, 60, 0)
    assert job.decided() == [line["ticket_id"] for line in LINES]
    assert not job.rejects.exists()


def test_bad_lines_are_rejected_by_number_without_their_content(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    phone = "13812345678"
    job.write(
        LINES[0],
        b'{"text": "' + phone.encode(),
        {"text": ""},
        {"text": "好", phone: phone},
        b"",
        LINES[1],
        "\xff".encode("latin-1"),
        {"text": "好", "metadata": {"x": "y" * 1_100_000}},
        {"text": "炸"},
        LINES[2],
    )
    state = job.run()
    assert (state.accepted, state.rejected) == (3, 6)
    assert job.decided() == ["T0", "T1", "T2"]
    assert job.rejected() == [
        (2, "malformed-json"),
        (3, "invalid-ticket"),
        (4, "invalid-ticket"),
        (7, "malformed-json"),
        (8, "line-too-long"),
        (9, "internal-error"),
    ]
    assert "line 3 rejected: text: got a string of 0 characters, expected at least 1" in caplog.text
    assert phone not in job.rejects.read_text() + caplog.text


def test_rows_of_a_labelled_corpus_are_read_by_their_id(job: Job) -> None:
    labels = {"types": ["service"], "primary": "service", "intensity": 2, "emotions": {"anger": 2}, "demands": []}
    labels |= {"risks": [], "industry": "电商", "slice": "near", "why": "…", "votes": {}, "labels": {}, "split": "dev"}
    job.write(
        {"id": "c-1", "text": "一直不发货", "source": "shop", **labels},
        {"id": "c-2", "text": "一直不发货", "annotator": "x"},
        {"ticket_id": "t", "id": "c-3", "text": "一直不发货"},
        {"text": "一直不发货", "types": []},
    )
    job.run()
    assert job.decided() == ["c-1"]
    assert [line for line, _ in job.rejected()] == [2, 3, 4]


def test_a_byte_order_mark_and_a_missing_last_newline_are_fine(job: Job) -> None:
    job.input.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(line).encode() for line in LINES[:2]))
    assert job.run().accepted == 2


@pytest.mark.parametrize("torn", [b"", b'{"decision_id": "half a li'])
def test_an_interrupted_job_continues_where_it_was(job: Job, monkeypatch: pytest.MonkeyPatch, torn: bytes) -> None:
    job.write(*LINES[:20], {"text": ""}, *LINES[20:])
    predict = job.pipeline.predict

    def fail_at_30(prepared):
        if job.pipeline.predictions >= 30:
            raise Interrupted
        return predict(prepared)

    monkeypatch.setattr(job.pipeline, "predict", fail_at_30)
    with pytest.raises(Interrupted):
        job.run()
    monkeypatch.setattr(job.pipeline, "predict", predict)
    before = job.decided()
    assert 0 < len(before) < 60
    with job.output.open("ab") as file:
        file.write(torn)
    made_before = job.pipeline.predictions

    state = job.run()
    assert (state.lines, state.accepted, state.rejected) == (61, 60, 1)
    assert job.decided() == [line["ticket_id"] for line in LINES]
    assert job.rejected() == [(21, "invalid-ticket")]
    assert job.pipeline.predictions - made_before == 60 - len(before)


def test_a_finished_job_is_not_done_again_but_goes_on_with_new_lines(job: Job) -> None:
    job.write(*LINES[:5])
    job.run()
    job.run()
    assert job.pipeline.predictions == 5
    job.write(*LINES[:8])
    assert job.run().accepted == 8
    assert job.decided() == [f"T{n}" for n in range(8)]


def test_an_output_of_another_input_is_left_alone(job: Job) -> None:
    job.write(*LINES[:5])
    job.run()
    before = job.output.read_bytes()
    job.write(*LINES[5:10])
    with pytest.raises(JobError, match="belongs to another input"):
        job.run()
    assert job.output.read_bytes() == before


def test_an_output_of_another_model_is_left_alone(job: Job) -> None:
    job.write(*LINES[:5])
    job.run()
    job.pipeline.receipt_versions = {**job.pipeline.receipt_versions, "model": "fake-2"}
    with pytest.raises(JobError, match=r"fake-1.*fake-2"):
        job.run()


def test_a_file_that_is_no_output_of_a_job_is_left_alone(job: Job) -> None:
    job.write(*LINES[:5])
    job.output.write_text("precious")
    with pytest.raises(JobError, match="remove it or choose another"):
        job.run()
    assert job.output.read_text() == "precious"


def test_removing_the_output_starts_over(job: Job) -> None:
    job.write(*LINES[:5], {})
    job.run()
    job.output.unlink()
    assert job.run().accepted == 5
    assert job.rejected() == [(6, "invalid-ticket")]


def test_unusable_files_are_named(job: Job) -> None:
    with pytest.raises(JobError, match=r"in\.jsonl"):
        job.run()
    job.input.mkdir()
    with pytest.raises(JobError, match="directory"):
        job.run()
    job.output = job.input
    with pytest.raises(JobError, match="different files"):
        job.run()
