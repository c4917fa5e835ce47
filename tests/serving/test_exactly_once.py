"""The same ticket gets the same decision, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select

from serving.storage.database import decisions

TICKET = {"text": "客服答应三天退款,现在十天了还没到账", "ticket_id": "A/1", "source": "crm"}
NAMELESS = {"text": TICKET["text"]}


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(decisions))


def test_a_ticket_sent_twice_gets_the_same_bytes(any_client: TestClient, engine: Engine) -> None:
    first = any_client.post("/v1/triage", json=TICKET)
    second = any_client.post("/v1/triage", json={**TICKET, "metadata": {"attempt": 2}})
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert stored(engine) == 1


def test_twenty_at_the_same_time_get_the_same_bytes(any_client: TestClient, engine: Engine) -> None:
    with ThreadPoolExecutor(10) as threads:
        replies = list(threads.map(lambda _: any_client.post("/v1/triage", json=TICKET), range(20)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 1
    assert stored(engine) == 1


def test_two_servers_on_one_database_agree(client_on, engine: Engine) -> None:
    servers = [client_on(engine), client_on(engine)]
    texts = [f"{TICKET['text']},第{n}次催" for n in range(5)] * 4
    with ThreadPoolExecutor(8) as threads:
        replies = list(
            threads.map(
                lambda n: servers[n % 2].post("/v1/triage", json={**TICKET, "text": texts[n]}), range(len(texts))
            )
        )
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == stored(engine) == 5
    history = servers[0].get("/v1/tickets/crm/A/1").json()
    assert [entry["revision"] for entry in history["revisions"]] == [1, 2, 3, 4, 5]


def test_two_servers_given_the_same_batch_in_opposite_orders_agree(client_on, engine: Engine) -> None:
    servers = [client_on(engine), client_on(engine)]
    tickets = [{"text": f"第{n}件货坏了", "ticket_id": str(n)} for n in range(64)]
    orders = [tickets, tickets[::-1]]

    def post(n: int) -> dict[str, str]:
        results = servers[n].post("/v1/triage/batch", json={"tickets": orders[n]}).json()["results"]
        return {result["decision"]["ticket_id"]: result["decision"]["decision_id"] for result in results}

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(post, range(2))
    assert first == second
    assert stored(engine) == 64


def test_another_text_under_the_same_id_is_a_new_revision(any_client: TestClient) -> None:
    first = any_client.post("/v1/triage", json=TICKET).json()
    second = any_client.post("/v1/triage", json={**TICKET, "text": "钱到账了,谢谢"}).json()
    again = any_client.post("/v1/triage", json=TICKET).json()
    assert second["decision_id"] != first["decision_id"]
    assert again == first
    history = any_client.get("/v1/tickets/crm/A/1").json()
    assert history["source"] == "crm"
    assert history["ticket_id"] == "A/1"
    assert [(e["revision"], e["decision"]) for e in history["revisions"]] == [(1, first), (2, second)]


def test_the_same_id_in_another_system_is_another_ticket(any_client: TestClient) -> None:
    first = any_client.post("/v1/triage", json=TICKET).json()
    other = any_client.post("/v1/triage", json={**TICKET, "source": "crm/2"}).json()
    assert other["decision_id"] != first["decision_id"]
    assert [e["decision"] for e in any_client.get("/v1/tickets/crm%2F2/A%2F1").json()["revisions"]] == [other]


def test_a_ticket_without_id_is_given_one_and_is_new_each_time(any_client: TestClient, engine: Engine) -> None:
    replies = [any_client.post("/v1/triage", json=NAMELESS).json() for _ in range(2)]
    assert replies[0]["ticket_id"] != replies[1]["ticket_id"]
    assert stored(engine) == 2
    assert (
        any_client.get(f"/v1/tickets/default/{replies[0]['ticket_id']}").json()["revisions"][0]["decision"]
        == replies[0]
    )


def test_an_idempotency_key_gives_the_same_bytes_without_a_ticket_id(any_client: TestClient, engine: Engine) -> None:
    with ThreadPoolExecutor(10) as threads:
        replies = list(
            threads.map(
                lambda _: any_client.post("/v1/triage", json=NAMELESS, headers={"Idempotency-Key": "k-1"}), range(20)
            )
        )
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 1
    assert stored(engine) == 1


@pytest.mark.parametrize("change", [{"text": "别的话"}, {"channel": "app"}, {"contact": {"name": "王"}}])
def test_an_idempotency_key_with_another_body_is_refused(any_client: TestClient, engine: Engine, change: dict) -> None:
    headers = {"Idempotency-Key": "k-1"}
    assert any_client.post("/v1/triage", json=NAMELESS, headers=headers).status_code == 200
    refused = any_client.post("/v1/triage", json={**NAMELESS, **change}, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:fenzhen:problem:idempotency-conflict"
    assert refused.json()["errors"][0]["field"] == "Idempotency-Key"
    assert stored(engine) == 1


def test_a_new_idempotency_key_for_a_known_ticket_leads_to_its_decision(any_client: TestClient, engine: Engine) -> None:
    first = any_client.post("/v1/triage", json=TICKET)
    second = any_client.post("/v1/triage", json=TICKET, headers={"Idempotency-Key": "k-2"})
    assert second.content == first.content
    other = any_client.post("/v1/triage", json={**TICKET, "text": "别的话"}, headers={"Idempotency-Key": "k-2"})
    assert other.status_code == 422
    assert stored(engine) == 1


def test_a_batch_repeats_single_decisions_and_its_own(any_client: TestClient, engine: Engine) -> None:
    single = any_client.post("/v1/triage", json=TICKET).json()
    batch = {"tickets": [TICKET, NAMELESS, {**TICKET, "text": "又来一次"}, {**TICKET, "text": "又来一次"}]}
    first, second = (
        any_client.post("/v1/triage/batch", json=batch, headers={"Idempotency-Key": "b"}).json() for _ in range(2)
    )
    assert first == second
    decisions_made = [result["decision"] for result in first["results"]]
    assert decisions_made[0] == single
    assert decisions_made[2] == decisions_made[3]
    assert stored(engine) == 3


def test_a_conflict_in_a_batch_fails_its_ticket_only(any_client: TestClient, engine: Engine) -> None:
    headers = {"Idempotency-Key": "b"}
    texts = [{"text": "少发了一件"}, {"text": "客服骂人"}]
    first = any_client.post("/v1/triage/batch", json={"tickets": texts}, headers=headers).json()["results"]
    texts[1] = {"text": "客服没骂人"}
    again = any_client.post("/v1/triage/batch", json={"tickets": texts}, headers=headers).json()["results"]
    assert again[0] == first[0]
    assert again[1]["status"] == 422
    assert again[1]["problem"]["type"] == "urn:fenzhen:problem:idempotency-conflict"
    assert stored(engine) == 2


def test_a_decision_is_read_back_byte_for_byte(any_client: TestClient) -> None:
    reply = any_client.post("/v1/triage", json=TICKET)
    read = any_client.get(f"/v1/decisions/{reply.json()['decision_id']}")
    assert read.status_code == 200
    assert read.content == reply.content


def test_nothing_is_kept_of_a_ticket_that_could_not_be_decided(
    any_client: TestClient, engine: Engine, pipeline
) -> None:
    failed = any_client.post("/v1/triage", json={**TICKET, "text": "炸"}, headers={"Idempotency-Key": "k-3"})
    assert failed.status_code == 500
    assert failed.headers["content-type"] == "application/problem+json"
    assert "炸" not in failed.text
    assert stored(engine) == 0
    assert any_client.post("/v1/triage", json=TICKET, headers={"Idempotency-Key": "k-3"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/decisions/none", "/v1/tickets/crm/none", "/v1/tickets/crm/%E2%80%8B%2F"])
def test_what_is_not_there_is_not_found(any_client: TestClient, path: str) -> None:
    reply = any_client.get(path)
    assert reply.status_code == 404
    assert reply.json()["type"] == "urn:fenzhen:problem:not-found"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/decisions/%00", "decision_id"),
        ("/v1/decisions/" + "x" * 65, "decision_id"),
        ("/v1/tickets/crm/A%00", "ticket_id"),
        ("/v1/tickets/crm/" + "x" * 201, "ticket_id"),
        ("/v1/tickets/%ff/1", "source"),
    ],
)
def test_names_that_cannot_be_are_refused_by_field(any_client: TestClient, path: str, field: str) -> None:
    reply = any_client.get(path)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("name", ["a b", "工单/１　号", "%41?#", "\u200b x", "é"])
def test_whatever_a_ticket_is_called_it_is_found_again(any_client: TestClient, name: str) -> None:
    made = any_client.post("/v1/triage", json={**TICKET, "source": name, "ticket_id": name})
    assert made.status_code == 200
    found = any_client.get(f"/v1/tickets/{quote(name, safe='')}/{quote(name, safe='')}")
    assert found.status_code == 200
    assert found.json()["ticket_id"] == name
    assert found.json()["revisions"][0]["decision"] == made.json()
