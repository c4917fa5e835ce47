"""Drafts are checked against the decision they answer, and what a sent one promises is tracked on the ticket."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update
from typer.testing import CliRunner

from serving import cli
from serving.promises import Promises
from serving.storage.database import promises
from triage.calendars import SHANGHAI
from triage.reply.lint import LintReport

PHONE = "13812345678"
CALM = "抱歉让您久等了。我明天18点前给您回电，3月20日前把退款退到原卡。"
MOMENT = datetime(2026, 2, 10, 2, 0, tzinfo=UTC)  # a Tuesday, ten in the morning in China


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the time at which drafts are sent and promises are looked at."""

    def set_to(moment: datetime) -> None:
        monkeypatch.setattr("serving.drafts.now", lambda: moment)
        monkeypatch.setattr("serving.promises.utc_now", lambda: moment.isoformat(timespec="microseconds"))

    set_to(MOMENT)
    return set_to


@pytest.fixture
def decision_id(any_client: TestClient) -> str:
    ticket = {"text": "重复扣款三十八元，打了两次电话没人管", "ticket_id": "T1", "source": "crm", "customer_id": "C-17"}
    ticket["received_at"] = "2026-02-09T09:00:00+08:00"
    return any_client.post("/v1/triage", json=ticket).json()["decision_id"]


def lint(client: TestClient, decision_id: str, draft: str, **given: Any) -> dict[str, Any]:
    reply = client.post("/v1/reply/lint", json={"decision_id": decision_id, "draft": draft, **given})
    assert reply.status_code == 200, reply.text
    LintReport.model_validate_json(reply.content)
    return reply.json()


def tracked(client: TestClient) -> list[dict[str, Any]]:
    return client.get("/v1/tickets/crm/T1").json()["promises"]


def test_a_draft_is_checked_against_the_ticket_it_answers(any_client: TestClient, decision_id: str) -> None:
    report = lint(any_client, decision_id, "经核查，这是我们的错。请您3日内补交材料。")
    assert [(f["rule"], f["text"]) for f in report["findings"]][:1] == [
        ("empathy_before_facts", "经核查，这是我们的错。")
    ]
    assert "admits_fault_before_finding" in {finding["rule"] for finding in report["findings"]}
    settled = lint(
        any_client, decision_id, "很抱歉，经核查这是我们的错。明天18点前我给您回电。", fault_established=True
    )
    assert settled["findings"] == []
    assert tracked(any_client) == []  # nothing was sent


def test_what_a_sent_reply_promises_stands_on_the_ticket_with_its_time(
    any_client: TestClient, decision_id: str, clock: Any
) -> None:
    lint(any_client, decision_id, CALM, sent=True)
    shown = tracked(any_client)
    assert [(p["text"], p["due_at"], p["overdue"]) for p in shown] == [
        ("我明天18点前给您回电", "2026-02-11T18:00:00+08:00", False),
        ("3月20日前把退款退到原卡", "2026-03-20T23:59:59+08:00", False),
    ]
    assert {p["decision_id"] for p in shown} == {decision_id}
    assert {p["made_at"] for p in shown} == {"2026-02-10T10:00:00+08:00"}
    clock(datetime(2026, 2, 11, 10, 0, 1, tzinfo=UTC))
    assert [p["overdue"] for p in tracked(any_client)] == [True, False]


def test_sent_again_the_same_promise_is_stored_once(any_client: TestClient, decision_id: str, clock: Any) -> None:
    draft = "让您着急了，抱歉。我两小时内给您回电。"
    lint(any_client, decision_id, draft, sent=True)
    clock(datetime(2026, 2, 10, 2, 1, tzinfo=UTC))  # the same request again, a minute later
    lint(any_client, decision_id, draft, sent=True)
    [promise] = tracked(any_client)
    assert promise["due_at"] == "2026-02-10T12:00:00+08:00"
    clock(datetime(2026, 2, 11, 2, 0, tzinfo=UTC))  # the day after, when it is long overdue: a promise of its own
    lint(any_client, decision_id, draft, sent=True)
    assert [p["overdue"] for p in tracked(any_client)] == [True, False]


def test_ten_at_the_same_time_make_one_promise(any_client: TestClient, decision_id: str) -> None:
    draft = "让您着急了，抱歉。我半小时内给您回电。"
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(lambda _: lint(any_client, decision_id, draft, sent=True), range(10)))
    assert len(tracked(any_client)) == 1


def test_a_promise_without_a_time_is_tracked_without_a_date(any_client: TestClient, decision_id: str) -> None:
    lint(any_client, decision_id, "很抱歉，我们会尽快处理。", sent=True)
    [promise] = tracked(any_client)
    assert (promise["text"], promise["due_at"], promise["overdue"]) == ("我们会尽快处理", None, False)


def test_working_days_are_those_of_the_calendar_with_makeup_days(
    any_client: TestClient, decision_id: str, clock: Any
) -> None:
    """Over the Spring Festival of 2026 (off from 15 to 23 February, worked on Saturday 14 and 28)."""
    draft = "给您添麻烦了，抱歉。我会在{}个工作日内给您回电。"
    dues = [lint(any_client, decision_id, draft.format(days))["promises"][0]["due_at"] for days in (4, 5, 9)]
    assert dues == ["2026-02-14T23:59:59+08:00", "2026-02-24T23:59:59+08:00", "2026-02-28T23:59:59+08:00"]


def test_working_days_of_a_year_without_holidays_have_no_date(
    any_client: TestClient, decision_id: str, clock: Any
) -> None:
    clock(datetime(2098, 12, 30, 2, 0, tzinfo=UTC))
    report = lint(any_client, decision_id, "给您添麻烦了，抱歉。我会在5个工作日内给您回电。", sent=True)
    assert report["promises"][0]["due_at"] is None
    assert tracked(any_client)[0]["due_at"] is None


def test_days_after_the_complaint_count_from_its_receipt(any_client: TestClient, decision_id: str, clock: Any) -> None:
    report = lint(any_client, decision_id, "很抱歉。我们将自收到您的投诉之日起15日内答复您。")
    assert report["promises"][0]["due_at"] == "2026-02-24T23:59:59+08:00"


def test_no_personal_number_of_a_promise_is_stored(any_client: TestClient, decision_id: str, engine: Engine) -> None:
    lint(any_client, decision_id, f"很抱歉。明天18点前我打{PHONE}给您回电。", sent=True)
    [(source, ticket_id, promise)] = Promises(engine).open()
    assert (source, ticket_id) == ("crm", "T1")
    assert promise.text == "明天18点前我打<PHONE>给您回电"


def test_a_kept_promise_is_open_no_longer(any_client: TestClient, decision_id: str, engine: Engine) -> None:
    lint(any_client, decision_id, CALM, sent=True)
    with engine.begin() as connection:
        connection.execute(update(promises).values(due_at="2026-02-10T00:00:00.000000+00:00"))
    first, second = tracked(any_client)
    assert first["overdue"]
    kept = any_client.post(f"/v1/promises/{first['promise_id']}/kept")
    assert kept.status_code == 200
    assert kept.json()["overdue"] is False
    assert kept.json()["kept_at"]
    assert tracked(any_client)[0] == kept.json()
    [remaining] = any_client.get("/v1/customers/crm/C-17").json()["promises"]
    assert remaining == second
    for number in (first["promise_id"], 10**8, 10**30, "x", -1):
        assert any_client.post(f"/v1/promises/{number}/kept").status_code == 404


def test_an_unknown_decision_is_not_found(client: TestClient) -> None:
    reply = client.post("/v1/reply/lint", json={"decision_id": "nowhere", "draft": "很抱歉。"})
    assert reply.status_code == 404
    assert reply.json()["detail"] == "No such decision."


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ({"draft": "很抱歉。"}, "decision_id", "required"),
        ({"decision_id": "x" * 65, "draft": "很抱歉。"}, "decision_id", "64"),
        ({"decision_id": "决定", "draft": "很抱歉。"}, "decision_id", "visible"),
        ({"decision_id": "x"}, "draft", "required"),
        ({"decision_id": "x", "draft": ""}, "draft", "at least 1"),
        ({"decision_id": "x", "draft": " \n　"}, "draft", "visible"),
        ({"decision_id": "x", "draft": "好" * 20_001}, "draft", "20,000"),
        ({"decision_id": "x", "draft": "好\ud83d"}, "draft", "surrogate"),
        ({"decision_id": "x", "draft": "很抱歉。", "sent": "yes"}, "sent", "true or false"),
        ({"decision_id": "x", "draft": "很抱歉。", "colour": "red"}, "colour", "decision_id, draft"),
    ],
)
def test_a_wrong_draft_is_refused_by_field(client: TestClient, body: dict[str, Any], field: str, expected: str) -> None:
    reply = client.post("/v1/reply/lint", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert reply.status_code == 422
    assert reply.json()["type"] == "urn:fenzhen:problem:invalid-draft"
    [error] = reply.json()["errors"]
    assert error["field"] == field
    assert expected in error["expected"]


def test_the_command_line_checks_tracks_and_lists(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = client.post("/v1/triage", json={"text": "重复扣款三十八元", "ticket_id": "T1", "source": "crm"}).json()
    monkeypatch.setenv("FENZHEN_DATABASE_URL", f"sqlite:///{tmp_path}/fenzhen.db")
    monkeypatch.setenv("FENZHEN_SECRET", "s" * 32)
    file = tmp_path / "draft.txt"

    def fenzhen(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli.app, arguments)
        return result.exit_code, result.output

    asked = ("reply", "lint", str(file), "--decision", decided["decision_id"])
    file.write_text("很抱歉，我们会尽快处理。\n", encoding="utf-8")
    code, output = fenzhen(*asked)
    assert code == 1
    assert "vague_promise" in output
    assert fenzhen("promises") == (0, "")
    file.write_text("让您着急了，抱歉。2026年2月11日18点前我给您回电。\n", encoding="utf-8")
    for _ in range(2):
        assert fenzhen(*asked, "--sent")[0] == 0
    line = "1\t2026-02-11T18:00:00+08:00\t已逾期\tcrm\tT1\t2026年2月11日18点前我给您回电\n"
    overdue = datetime.now(SHANGHAI) > datetime(2026, 2, 11, 18, tzinfo=SHANGHAI)
    assert fenzhen("promises", "--overdue") == (0, line if overdue else "")
    assert fenzhen("promises", "kept", "1")[0] == 0
    assert fenzhen("promises") == (0, "")
    assert fenzhen("promises", "kept", "1")[0] == 2
    file.write_text("", encoding="utf-8")
    code, output = fenzhen(*asked)
    assert code == 2
    assert "draft: found a string of 0 characters, expected at least 1 character" in output
    file.write_text("很抱歉。", encoding="utf-8")
    assert fenzhen("reply", "lint", str(file), "--decision", "nowhere")[0] == 2
