"""What a customer's tickets add up to, what is never said of a person, and how a customer is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select
from typer.testing import CliRunner

from serving import cli
from serving.customers import Customers, Picture, _trend, page
from serving.privacy import Pseudonyms
from serving.storage.database import decisions
from triage.calendars import SHANGHAI

PHONE = "13812345678"
SECRET = "s" * 32


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def post(client: TestClient, ticket_id: str, **given: Any) -> dict[str, Any]:
    ticket = {"text": "退款拖了两周还没到账", "ticket_id": ticket_id, "source": "crm", "customer_id": "C-17", **given}
    reply = client.post("/v1/triage", json=ticket)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_picture_adds_up_the_customer_s_tickets(any_client: TestClient) -> None:
    for number, days in enumerate((400, 200, 60, 5)):
        post(any_client, f"T{number}", received_at=days_ago(days), channel="app" if number else "电话")
    post(any_client, "T3", received_at=days_ago(4), text="还是没到账", channel="12378")  # the same ticket again
    post(any_client, "other", customer_id="C-18")
    reply = any_client.get("/v1/customers/crm/C-17")
    assert reply.status_code == 200
    picture = Picture.model_validate_json(reply.content)
    assert picture.tickets.model_dump() == {"last_30_days": 1, "last_90_days": 2, "last_365_days": 3, "all": 4}
    ages = [(datetime.now(UTC) - moment).days for moment in (picture.first_at, picture.last_at)]
    assert ages == [400, 5]
    assert picture.channels == {"app": 2, "电话": 1, "12378": 1}
    assert picture.types == {"service": 4}
    assert picture.tiers == {"L1": 4}
    assert sum(month.tickets for month in picture.months) == 4
    assert {month.mean_intensity for month in picture.months} == {1.0}
    assert picture.trend == "steady"
    assert picture.promises == ()


def test_a_month_is_a_month_in_china(client: TestClient) -> None:
    post(client, "T0", received_at="2026-01-31T15:59:59Z")
    post(client, "T1", received_at="2026-01-31T16:00:00Z")
    picture = client.get("/v1/customers/crm/C-17").json()
    assert [month["month"] for month in picture["months"]] == ["2026-01", "2026-02"]
    assert picture["first_at"] == "2026-01-31T23:59:59+08:00"


@pytest.mark.parametrize(
    ("levels", "trend"),
    [
        ([], None),
        ([3], None),
        ([1, 2], "rising"),
        ([3, 0, 1], "falling"),
        ([0, 3, 0], "steady"),  # the middle one is left out
        ([1, 1, 1, 2], "rising"),
        ([1, 1, 1, 1, 1, 2], "steady"),
    ],
)
def test_the_trend_compares_the_newer_half_with_the_older(levels: list[int], trend: str | None) -> None:
    assert _trend(levels) == trend


def test_nothing_is_said_about_the_person(client: TestClient) -> None:
    """No age, sex or job, and no guess at them: these fields and no others."""
    schema = client.get("/openapi.json").json()["components"]["schemas"]
    fields = {
        "Picture": {
            *("source", "customer_id", "tickets", "first_at", "last_at", "channels", "types", "tiers"),
            *("months", "trend", "promises"),
        },
        "TicketCounts": {"last_30_days", "last_90_days", "last_365_days", "all"},
        "Month": {"month", "tickets", "mean_intensity"},
        "TrackedPromise": {"promise_id", "decision_id", "text", "made_at", "due_at", "kept_at", "overdue"},
    }
    for model, expected in fields.items():
        assert set(schema[model]["properties"]) == set(schema[model]["required"]) == expected
    post(client, "T0")
    assert set(client.get("/v1/customers/crm/C-17").json()) == fields["Picture"]


def test_a_customer_under_a_personal_number_is_shown_under_it(client: TestClient) -> None:
    post(client, "T0", customer_id=PHONE, source="crm/2")
    reply = client.get(f"/v1/customers/crm%2F2/{PHONE}")
    assert (reply.json()["source"], reply.json()["customer_id"]) == ("crm/2", PHONE)


def test_forgetting_cuts_the_link_and_keeps_the_tickets(any_client: TestClient, engine: Engine) -> None:
    decided = post(any_client, "T0", customer_id=PHONE)
    post(any_client, "T0", customer_id=PHONE, text="还是没到账")
    post(any_client, "T1", customer_id=PHONE)
    post(any_client, "T2")
    forgotten = any_client.delete(f"/v1/customers/crm/{PHONE}")
    assert forgotten.status_code == 200
    assert forgotten.json() == {"source": "crm", "customer_id": PHONE, "tickets": 2}
    assert any_client.get(f"/v1/customers/crm/{PHONE}").status_code == 404
    with engine.connect() as connection:
        linked = connection.execute(select(decisions.c.ticket_id).where(decisions.c.customer_id.is_not(None))).scalars()
        assert list(linked) == ["T2"]
        assert connection.scalar(select(func.count()).select_from(decisions)) == 4
    assert any_client.get("/v1/tickets/crm/T0").json()["revisions"][0]["decision"] == decided
    assert post(any_client, "T0", customer_id=PHONE) == decided  # sent again, it does not come back
    assert any_client.delete(f"/v1/customers/crm/{PHONE}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_customer_is_a_problem(client: TestClient, method: str) -> None:
    reply = client.request(method, "/v1/customers/crm/C-17")
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == "urn:fenzhen:problem:not-found"
    wrong = client.request(method, f"/v1/customers/crm/{'9' * 201}")
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "customer_id"


def test_a_customer_is_shown_to_handlers_in_chinese_and_forgotten(
    client: TestClient, sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = post(client, "T0", received_at="2026-03-04T09:30:00+08:00", channel="电话")
    draft = {"decision_id": decided["decision_id"], "draft": "抱歉让您久等，3月6日18点前我给您回电。", "sent": True}
    assert client.post("/v1/reply/lint", json=draft).status_code == 200
    monkeypatch.setenv("FENZHEN_DATABASE_URL", f"sqlite:///{tmp_path}/fenzhen.db")
    monkeypatch.setenv("FENZHEN_SECRET", SECRET)
    shown = CliRunner().invoke(cli.app, ["customer", "show", "crm", "C-17"])
    assert shown.exit_code == 0, shown.output
    assert "共 1" in shown.output
    assert "首次 2026-03-04" in shown.output
    assert "渠道：电话 1" in shown.output
    assert "类型：服务 1" in shown.output
    assert "情绪趋势（0 平静 – 3 强烈）：不足以判断" in shown.output
    assert "3月6日18点前我给您回电" in shown.output
    forgotten = CliRunner().invoke(cli.app, ["customer", "forget", "crm", "C-17"])
    assert forgotten.exit_code == 0
    assert "1 tickets" in forgotten.output
    unknown = CliRunner().invoke(cli.app, ["customer", "show", "crm", "C-17"])
    assert unknown.exit_code == 2
    assert "no stored ticket carries this customer id" in unknown.output


def test_tickets_without_type_or_channel_are_shown_as_such(client: TestClient, sqlite_engine: Engine) -> None:
    post(client, "T0")
    with sqlite_engine.begin() as connection:
        connection.execute(decisions.update().values(primary_type=None))
    picture = Customers(sqlite_engine, Pseudonyms(SECRET)).picture("crm", "C-17")
    assert picture is not None
    assert picture.types == {"abstained": 1}
    assert picture.channels == {}
    assert picture.last_at.tzinfo == SHANGHAI
    assert "类型：未作判断 1" in page(picture)
    assert "渠道：未注明" in page(picture)
