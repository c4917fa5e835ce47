"""What an operator watches: health, readiness, metrics, and the answers while the database is away."""

from __future__ import annotations

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine


def samples(client: TestClient) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_count_decisions_replays_and_stages(client: TestClient) -> None:
    ticket = {"text": "发错货了", "ticket_id": "1"}
    for _ in range(3):
        assert client.post("/v1/triage", json=ticket).status_code == 200
    found = samples(client)
    assert found["fenzhen_decisions_total", "false,service,L1"] == 1
    assert found["fenzhen_replays_total", ""] == 2
    assert found["fenzhen_in_flight", ""] == 0
    for stage in ("prepare", "predict", "decide", "store"):
        assert found["fenzhen_stage_seconds_count", stage] == 1
    assert found["fenzhen_request_seconds_count", "POST,/v1/triage,200"] == 3


def test_addresses_do_not_become_labels(client: TestClient) -> None:
    for path in ("/v1/tickets/a/13812345678", "/13812345678"):
        client.get(path)
    client.request("G13812345678", "/healthz")
    assert "13812345678" not in client.get("/metrics").text


def test_without_its_database_the_server_says_so_and_lives(client: TestClient, sqlite_engine: Engine) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}
    tables = ("decisions", "installation")
    for table in tables:
        with sqlite_engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO away_{table}")
    for reply in (client.get("/readyz"), client.post("/v1/triage", json={"text": "发错货了", "ticket_id": "1"})):
        assert reply.status_code == 503
        assert reply.headers["content-type"] == "application/problem+json"
        assert int(reply.headers["retry-after"]) > 0
        assert "sqlite" not in reply.text
        assert "decisions" not in reply.text
    assert client.get("/healthz").json() == {"status": "ok"}
    for table in tables:
        with sqlite_engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE away_{table} RENAME TO {table}")
    assert client.post("/v1/triage", json={"text": "发错货了", "ticket_id": "1"}).status_code == 200
