"""Personal data reaches neither the disk nor the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from serving.observability import configure_logging
from serving.privacy import Pseudonyms, load_or_create_secret
from serving.storage.database import decisions

PHONE, OTHER_PHONE, ID_CARD, CARD = "13812345678", "15987654321", "11010519491231002X", "6222021234567894"
EMAIL = "li.lei@example.com"
TICKET = {
    "text": f"我叫李雷,电话{PHONE},身份证{ID_CARD},卡号{CARD}被扣款,邮箱{EMAIL}",
    "ticket_id": PHONE,
    "source": "crm",
    "customer_id": ID_CARD,
    "contact": {"name": "李雷雷雷", "phone": OTHER_PHONE},
    "metadata": {"note": f"回电{OTHER_PHONE}", EMAIL: "x", "card": int(CARD)},
}


def test_personal_numbers_are_neither_in_the_database_nor_in_the_log(
    client: TestClient, sqlite_engine: Engine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handlers = list(logging.getLogger().handlers)
    configure_logging("DEBUG")
    for name in ("httpx", "httpx2", "asyncio"):
        logging.getLogger(name).setLevel("CRITICAL")  # the test's own client logs addresses
    try:
        assert client.post("/v1/triage", json=TICKET, headers={"Idempotency-Key": OTHER_PHONE}).status_code == 200
        assert client.post("/v1/triage", json={**TICKET, "text": f"炸{PHONE}"}).status_code == 500
        assert client.post("/v1/triage", json={**TICKET, "received_at": PHONE}).status_code == 422
        assert client.get(f"/v1/tickets/crm/{PHONE}").status_code == 200
        assert client.get(f"/v1/customers/crm/{ID_CARD}").status_code == 200
        [revision] = client.get(f"/v1/tickets/crm/{PHONE}").json()["revisions"]
        draft = {"draft": f"抱歉让您久等,明天打{PHONE}回电", "decision_id": revision["decision"]["decision_id"]}
        assert client.post("/v1/reply/lint", json={**draft, "sent": True}).status_code == 200
        assert client.delete(f"/v1/customers/crm/{OTHER_PHONE}").status_code == 404
        assert client.post("/v1/triage/batch", json={"tickets": [TICKET, {"text": f"炸{PHONE}"}]}).status_code == 200
    finally:
        logging.getLogger().handlers = handlers
        logging.getLogger().setLevel("WARNING")
    sqlite_engine.dispose()
    logged = capfd.readouterr()
    on_disk = b"".join(file.read_bytes() for file in tmp_path.glob("fenzhen.db*"))
    assert b"crm" in on_disk
    assert "/v1/tickets/{source}/{ticket_id" in logged.err
    assert "/v1/customers/{source}/{customer_id" in logged.err
    assert "RuntimeError" in logged.err
    for secret in (PHONE, OTHER_PHONE, ID_CARD, CARD, EMAIL, "李雷雷雷"):
        assert secret.encode() not in on_disk
        assert secret not in logged.err + logged.out
    assert "被扣款" not in logged.err + logged.out


def test_a_ticket_under_a_personal_number_is_found_under_it(client: TestClient) -> None:
    first = client.post("/v1/triage", json=TICKET)
    second = client.post("/v1/triage", json=TICKET)
    assert first.json()["ticket_id"] == PHONE
    assert second.content == first.content
    history = client.get(f"/v1/tickets/crm/{PHONE}").json()
    assert history["ticket_id"] == PHONE
    assert [entry["decision"] for entry in history["revisions"]] == [first.json()]
    by_id = client.get(f"/v1/decisions/{first.json()['decision_id']}")
    assert by_id.status_code == 200
    assert PHONE not in by_id.text


def test_what_is_stored_is_the_masked_text_and_the_rest(client: TestClient, sqlite_engine: Engine) -> None:
    client.post("/v1/triage", json={**TICKET, "received_at": "2026-01-31T09:30:00+08:00", "channel": "app"})
    with sqlite_engine.connect() as connection:
        row = connection.execute(select(decisions)).one()
    assert "被扣款" in row.text
    assert "<PHONE>" in row.text
    assert row.channel == "app"
    assert row.received_at == "2026-01-31T01:30:00.000000+00:00"
    assert "回电<PHONE>" in row.metadata


def test_pseudonyms_depend_on_the_secret_and_leave_plain_names_alone() -> None:
    one, other = Pseudonyms("a" * 32), Pseudonyms("b" * 32)
    assert one.storable("T-2026-17") == "T-2026-17"
    assert one.storable(PHONE) == one.storable(PHONE)
    assert len({PHONE, one.storable(PHONE), other.storable(PHONE), one.storable(OTHER_PHONE)}) == 4
    with pytest.raises(ValueError, match="expected at least 32"):
        Pseudonyms("short")


def test_the_secret_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret"
    first = load_or_create_secret(path)
    assert load_or_create_secret(path) == first
    assert len(first) >= 32
    assert path.stat().st_mode & 0o077 == 0
    assert [file.name for file in path.parent.iterdir()] == ["secret"]
