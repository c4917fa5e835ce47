"""Batches: every ticket is answered for itself."""

from __future__ import annotations

from fastapi.testclient import TestClient


def test_bad_tickets_do_not_fail_their_neighbours(client: TestClient) -> None:
    tickets = [
        {"text": "退款一直不到账", "ticket_id": "1"},
        {"text": ""},
        "not a ticket",
        {"text": "好", "ticket_id": "2", "nope": 1},
        {"text": "炸"},
        {"text": "电话打不通", "ticket_id": "3"},
    ]
    reply = client.post("/v1/triage/batch", json={"tickets": tickets})
    assert reply.status_code == 200
    results = reply.json()["results"]
    assert [(r["index"], r["status"]) for r in results] == [(0, 200), (1, 422), (2, 422), (3, 422), (4, 500), (5, 200)]
    assert [r["problem"]["errors"][0]["field"] for r in results[1:4]] == ["text", "body", "nope"]
    assert "炸" not in reply.text
    for place, name in ((0, "1"), (5, "3")):
        decision = results[place]["decision"]
        assert decision["ticket_id"] == name
        assert client.get(f"/v1/decisions/{decision['decision_id']}").json() == decision


def test_a_full_batch_is_answered_in_order(client: TestClient) -> None:
    tickets = [{"text": f"第{n}件货坏了", "ticket_id": str(n)} for n in range(256)]
    results = client.post("/v1/triage/batch", json={"tickets": tickets}).json()["results"]
    assert [r["decision"]["ticket_id"] for r in results] == [str(n) for n in range(256)]
