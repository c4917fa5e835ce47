"""Keys open ``/v1``; where there never was one it is open to this machine."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from serving.keys import REFRESH_SECONDS, KeyNameError, create_key, revoke_key
from serving.storage.database import api_keys

V1 = [
    ("POST", "/v1/triage"),
    ("POST", "/v1/triage/batch"),
    ("GET", "/v1/decisions/x"),
    ("GET", "/v1/tickets/a/b"),
]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert REFRESH_SECONDS <= 1
    monkeypatch.setattr("serving.keys.REFRESH_SECONDS", 0.0)
    monkeypatch.setattr("serving.keys._MISS_REFRESH_SECONDS", 0.0)


@pytest.mark.usefixtures("_no_waiting")
def test_a_key_made_while_the_server_runs_closes_and_opens_it(any_client: TestClient, engine: Engine) -> None:
    assert any_client.post("/v1/triage", json={"text": "好"}).status_code == 200
    key = create_key(engine, "crm")
    for method, path in V1:
        refused = any_client.request(method, path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.headers["content-type"] == "application/problem+json"
    assert any_client.post("/v1/triage", json={"text": "好"}, headers=bearer(key)).status_code == 200
    assert any_client.post("/v1/triage", json={"text": "好"}, headers=bearer(key + "x")).status_code == 401
    assert any_client.post("/v1/triage", json={"text": "好"}, headers={"Authorization": key}).status_code == 401
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert any_client.get(path).status_code == 200


@pytest.mark.usefixtures("_no_waiting")
def test_revoking_the_last_key_does_not_open_the_server(any_client: TestClient, engine: Engine) -> None:
    first, second = create_key(engine, "first"), create_key(engine, "second")
    revoke_key(engine, "first")
    assert any_client.post("/v1/triage", json={"text": "好"}, headers=bearer(first)).status_code == 401
    assert any_client.post("/v1/triage", json={"text": "好"}, headers=bearer(second)).status_code == 200
    revoke_key(engine, "second")
    assert any_client.post("/v1/triage", json={"text": "好"}, headers=bearer(second)).status_code == 401
    assert any_client.post("/v1/triage", json={"text": "好"}).status_code == 401


def test_a_new_key_works_at_once_on_a_server_that_has_keys(client: TestClient, sqlite_engine: Engine) -> None:
    first = create_key(sqlite_engine, "first")
    assert client.post("/v1/triage", json={"text": "好"}, headers=bearer(first)).status_code == 200
    second = create_key(sqlite_engine, "second")
    import time

    time.sleep(0.06)
    assert client.post("/v1/triage", json={"text": "好"}, headers=bearer(second)).status_code == 200


def test_callers_do_not_share_idempotency_keys(client: TestClient, sqlite_engine: Engine) -> None:
    keys = [create_key(sqlite_engine, name) for name in "ab"]
    headers = [{**bearer(key), "Idempotency-Key": "1"} for key in keys]
    first = client.post("/v1/triage", json={"text": "好"}, headers=headers[0])
    other = client.post("/v1/triage", json={"text": "不好"}, headers=headers[1])
    assert first.status_code == other.status_code == 200
    assert first.json()["decision_id"] != other.json()["decision_id"]


def test_only_the_hash_of_a_key_is_stored(sqlite_engine: Engine) -> None:
    key = create_key(sqlite_engine, "crm")
    with sqlite_engine.connect() as connection:
        row = connection.execute(select(api_keys)).one()
    assert key.startswith(row.prefix)
    assert len(row.prefix) <= 8
    assert not any(key in str(value) for value in row)


@pytest.mark.parametrize("name", ["crm", "", "x" * 101, "a\nb"])
def test_key_names_are_unique_and_printable(sqlite_engine: Engine, name: str) -> None:
    create_key(sqlite_engine, "crm")
    with pytest.raises(KeyNameError, match="name"):
        create_key(sqlite_engine, name)
    with pytest.raises(KeyNameError, match="no active key"):
        revoke_key(sqlite_engine, "other")
