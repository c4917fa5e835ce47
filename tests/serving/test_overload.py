"""Past the limit callers are turned away at once; whoever was let in is answered."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import Engine

from serving.settings import Settings


def wait_until_inside(client: TestClient, tickets: int) -> None:
    deadline = time.monotonic() + 20
    while f"fenzhen_in_flight {tickets}.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline, "the tickets were not accepted"
        time.sleep(0.01)


def test_past_the_limit_429_at_once_and_every_accepted_ticket_answered(
    client_on, sqlite_engine: Engine, pipeline
) -> None:
    client = client_on(sqlite_engine, queue_limit=256, workers=2)
    pipeline.gate.clear()
    tickets = [{"text": f"等了{n}天"} for n in range(251)]
    with ThreadPoolExecutor(8) as threads:
        batch = threads.submit(client.post, "/v1/triage/batch", json={"tickets": tickets})
        wait_until_inside(client, 251)
        singles = [threads.submit(client.post, "/v1/triage", json={"text": f"又等了{n}天"}) for n in range(5)]
        wait_until_inside(client, 256)

        started = time.monotonic()
        refused = client.post("/v1/triage", json={"text": "进不去"})
        assert time.monotonic() - started < 1
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert client.post("/v1/triage/batch", json={"tickets": tickets[:2]}).status_code == 429
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200

        pipeline.gate.set()
        assert [result["status"] for result in batch.result().json()["results"]] == [200] * 251
        assert [single.result().status_code for single in singles] == [200] * 5
    assert client.post("/v1/triage", json={"text": "进得去了"}).status_code == 200
    assert "fenzhen_refused_total 3.0" in client.get("/metrics").text


def test_a_failed_ticket_gives_its_place_back(client_on, sqlite_engine: Engine) -> None:
    client = client_on(sqlite_engine, queue_limit=256)
    for _ in range(3):
        assert client.post("/v1/triage/batch", json={"tickets": [{"text": "炸"}] * 256}).status_code == 200
    assert "fenzhen_in_flight 0.0" in client.get("/metrics").text


def test_a_queue_too_short_for_one_batch_is_no_setting() -> None:
    with pytest.raises(ValidationError, match="expected at least 256"):
        Settings(queue_limit=255)
