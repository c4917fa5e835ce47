"""A customer who comes back is known to come back: earlier tickets are counted, and the count can be replayed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, update

from serving.observability import Metrics
from serving.privacy import Pseudonyms
from serving.replay import Replayer, stored_since
from serving.service import TriageService
from serving.settings import Settings
from serving.storage import repository
from serving.storage.database import decisions
from triage import Ticket, load_pipeline

MODELS = Path(__file__).parents[2] / "models"
PHONE = "13812345678"
TEXT = "宽带又断了，师傅说来一直没来"


def post(client: TestClient, ticket_id: str, **given: Any) -> dict[str, Any]:
    ticket = {"text": TEXT, "ticket_id": ticket_id, "source": "crm", "customer_id": "C-17", **given}
    reply = client.post("/v1/triage", json=ticket)
    assert reply.status_code == 200, reply.text
    return reply.json()


def contacts(engine: Engine, ticket_id: str) -> int | None:
    """What the newest decision about the ticket was made with."""
    newest = select(decisions.c.kept).where(decisions.c.ticket_id == ticket_id).order_by(decisions.c.revision.desc())
    with engine.connect() as connection:
        kept = json.loads(connection.execute(newest).scalars().first())
    return kept.get("circumstances", {}).get("previous_contacts")


def test_other_tickets_of_the_customer_are_earlier_contacts(any_client: TestClient, engine: Engine) -> None:
    for number in range(4):
        post(any_client, f"T{number}")
    assert [contacts(engine, f"T{number}") for number in range(4)] == [None, 1, 2, 3]


def test_a_revision_of_the_same_ticket_is_no_further_contact(client: TestClient, sqlite_engine: Engine) -> None:
    post(client, "T0")
    post(client, "T0", text="还是没有网，都两天了")
    assert contacts(sqlite_engine, "T0") is None
    post(client, "T1")
    assert contacts(sqlite_engine, "T1") == 1


def test_other_customers_and_other_systems_do_not_count(client: TestClient, sqlite_engine: Engine) -> None:
    post(client, "T0", customer_id="C-18")
    post(client, "T1", source="app")
    post(client, "T2", customer_id=None)
    post(client, "T3")
    assert contacts(sqlite_engine, "T3") is None


@pytest.mark.parametrize(
    ("received", "counted"), [("2026-01-30T23:59:59+08:00", None), ("2026-01-31T00:00:00+08:00", 1)]
)
def test_only_the_policy_s_window_before_the_ticket_counts(
    client: TestClient, sqlite_engine: Engine, received: str, counted: int | None
) -> None:
    """By the time of receipt, so that old tickets loaded today do not look like a storm of them."""
    post(client, "old", received_at=received)
    post(client, "later", received_at="2026-03-03T00:00:00+08:00")
    post(client, "T1", received_at="2026-03-02T00:00:00+08:00")
    assert contacts(sqlite_engine, "T1") == counted


def test_what_was_decided_before_the_window_does_not_count(client: TestClient, sqlite_engine: Engine) -> None:
    post(client, "T0")
    long_ago = (datetime.now(UTC) - timedelta(days=31)).isoformat(timespec="microseconds")
    with sqlite_engine.begin() as connection:
        connection.execute(update(decisions).values(created_at=long_ago))
    post(client, "T1")
    assert contacts(sqlite_engine, "T1") is None


def test_the_caller_s_number_comes_first_and_the_text_s_when_it_is_larger(
    client: TestClient, sqlite_engine: Engine
) -> None:
    post(client, "T0")
    post(client, "T1", previous_contacts=0)
    assert contacts(sqlite_engine, "T1") == 0
    post(client, "T2", text="打了五次电话都没人管")
    assert contacts(sqlite_engine, "T2") is None  # the text says five, two are stored
    post(client, "T3", text="打了两次电话都没人管")
    assert contacts(sqlite_engine, "T3") == 3


def test_a_customer_under_a_personal_number_is_recognised(client: TestClient, sqlite_engine: Engine) -> None:
    post(client, "T0", customer_id=PHONE)
    post(client, "T1", customer_id=PHONE)
    assert contacts(sqlite_engine, "T1") == 1


def test_a_ticket_sent_again_is_not_counted_anew(client: TestClient, sqlite_engine: Engine) -> None:
    first = post(client, "T0")
    post(client, "T1")
    assert post(client, "T0") == first
    keyed = {"json": {"text": TEXT, "customer_id": "C-17", "source": "crm"}, "headers": {"Idempotency-Key": "k-1"}}
    assert client.post("/v1/triage", **keyed).content == client.post("/v1/triage", **keyed).content


def test_a_ticket_from_the_first_day_of_time_is_counted_for(client: TestClient, sqlite_engine: Engine) -> None:
    post(client, "T0", received_at="0001-01-01T00:00:00Z")
    post(client, "T1", received_at="0001-01-02T00:00:00Z")
    assert contacts(sqlite_engine, "T1") == 1


def test_the_rule_of_repeated_contacts_fires_and_the_decision_replays(sqlite_engine: Engine) -> None:
    service = TriageService(load_pipeline(MODELS), sqlite_engine, Pseudonyms("s" * 32), Metrics())
    fired = []
    for number in range(4):
        ticket = Ticket(text=TEXT, ticket_id=f"T{number}", source="crm", customer_id="C-17")
        reply = json.loads(service.triage(service.submission(ticket)))
        fired.append("repeated_contacts" in {reason["code"] for reason in reply["route"]["reasons"]})
    service.close()
    assert fired == [False, False, False, True]
    report = Replayer(Settings(models=MODELS, workers=1)).replay_all(stored_since(sqlite_engine, ""), 4)
    assert report.states == {"identical": 4}, report.lines


def test_contacts_are_counted_by_the_index(sqlite_engine: Engine) -> None:
    names = ("of_source", "of_customer_id", "of_ticket_id", "of_start", "of_end")
    query = repository._CONTACTS.params(dict.fromkeys(names, "x"))
    sql = query.compile(sqlite_engine, compile_kwargs={"literal_binds": True})
    with sqlite_engine.connect() as connection:
        steps = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
    assert any("USING INDEX ix_decisions_source_customer_id_created_at (source=? AND customer_id=?" in s for s in steps)
