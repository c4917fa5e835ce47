"""Whatever is sent, the answer is a problem that names the field and the limit, and nothing is stored."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select

from serving.storage.database import decisions

JSON = {"Content-Type": "application/json"}


def problem(reply, status: int) -> dict:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    return body


@pytest.fixture(autouse=True)
def _nothing_is_stored(sqlite_engine: Engine):
    yield
    with sqlite_engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(decisions)) == 0


@pytest.mark.parametrize(
    ("ticket", "field", "expected"),
    [
        ({}, "text", "required"),
        ({"text": ""}, "text", "at least 1"),
        ({"text": " \n\t　"}, "text", "visible"),
        ({"text": "长" * 20_001}, "text", "20,000"),
        ({"text": None}, "text", "string"),
        ({"text": 5}, "text", "string"),
        ({"text": ["好"]}, "text", "string"),
        ({"text": "好\x00"}, "text", "NUL"),
        ({"text": "好\ud83d"}, "text", "surrogate"),
        ({"text": "好", "colour": "red"}, "colour", "known fields"),
        ({"text": "好", "ticket_id": 5}, "ticket_id", "string"),
        ({"text": "好", "ticket_id": ""}, "ticket_id", "at least 1"),
        ({"text": "好", "ticket_id": " "}, "ticket_id", "visible"),
        ({"text": "好", "ticket_id": "x" * 201}, "ticket_id", "200"),
        ({"text": "好", "ticket_id": "a\x00"}, "ticket_id", "control"),
        ({"text": "好", "source": "a\udc00"}, "source", "surrogate"),
        ({"text": "好", "source": None}, "source", "string"),
        ({"text": "好", "received_at": "2026-01-31T09:30:00"}, "received_at", "offset"),
        ({"text": "好", "received_at": "yesterday"}, "received_at", "offset"),
        ({"text": "好", "received_at": "2026-13-31T09:30:00Z"}, "received_at", "offset"),
        ({"text": "好", "received_at": 1_700_000_000}, "received_at", "offset"),
        ({"text": "好", "received_at": "0001-01-01T00:00:00+14:00"}, "received_at", "years"),
        ({"text": "好", "received_at": "2199-01-01T00:00:00+08:00"}, "received_at", "now or earlier"),
        ({"text": "好", "opened_at": "2199-01-01T00:00:00+08:00"}, "opened_at", "now or earlier"),
        ({"text": "好", "opened_at": "2026-01-31"}, "opened_at", "offset"),
        ({"text": "好", "amount": -1}, "amount", "from 0"),
        ({"text": "好", "amount": "三千"}, "amount", "2 decimals"),
        ({"text": "好", "amount": 0.001}, "amount", "2 decimals"),
        ({"text": "好", "previous_contacts": 1.5}, "previous_contacts", "whole number"),
        ({"text": "好", "previous_contacts": -1}, "previous_contacts", "0 to 10000"),
        ({"text": "好", "customer_flags": ["gold"]}, "customer_flags", "vulnerable"),
        ({"text": "好", "customer_flags": "vip"}, "customer_flags", "array"),
        ({"text": "好", "contact": "王"}, "contact", "object"),
        ({"text": "好", "contact": {"name": "\x00"}}, "contact", "NUL"),
        ({"text": "好", "contact": {"\ud800": 1}}, "contact", "surrogate"),
        ({"text": "好", "metadata": [1]}, "metadata", "object"),
        ({"text": "好", "metadata": {"a": [{"b": "\x00"}]}}, "metadata", "NUL"),
        ({"text": "好", "metadata": {"a": 2**63}}, "metadata", "64 bits"),
        ({"text": "好", "metadata": {"a": "x" * 20_001}}, "metadata", "20000"),
        ({"text": "好", "metadata": {"a": [0] * 1_001}}, "metadata", "1000"),
        ({"text": "好", "metadata": {"a": json.loads("[" * 20 + "]" * 20)}}, "metadata", "16"),
        ([], "body", "object"),
        ("好", "body", "object"),
        (None, "body", "object"),
    ],
)
def test_an_invalid_ticket_is_refused_by_field(client: TestClient, ticket: object, field: str, expected: str) -> None:
    body = problem(client.post("/v1/triage", content=json.dumps(ticket), headers=JSON), 422)
    [error] = [e for e in body["errors"] if e["field"] == field]
    assert expected in error["expected"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1, column 1"),
        (b"{", "line 1"),
        (b'{"text": "a"} {}', "column 15"),
        (b"{'text': 'a'}", "line 1"),
        ('{"text": "好"}'.encode("gbk"), "UTF-8 at offset 10"),
        (b'{"text": "\xed\xa0\x80"}', "UTF-8"),
        (b'\xef\xbb\xbf{"text": "a"}', "line 1"),
        (b'{"text": "a", "metadata": {"n": NaN}}', "NaN"),
        (b'{"text": "a", "metadata": {"n": -Infinity}}', "Infinity"),
        (b'{"text": "a", "metadata": {"n": ' + b"9" * 5_000 + b"}}", "thousands of digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"text":' * 100_000, "nested too deeply"),
    ],
)
def test_malformed_json_is_refused_with_the_place(client: TestClient, content: bytes, said: str) -> None:
    body = problem(client.post("/v1/triage", content=content, headers=JSON), 400)
    assert said in body["detail"]


def test_a_float_too_large_for_a_float_is_refused(client: TestClient) -> None:
    content = b'{"text": "a", "metadata": {"n": 1e999}}'
    body = problem(client.post("/v1/triage", content=content, headers=JSON), 422)
    assert body["errors"][0]["field"] == "metadata"


@pytest.mark.parametrize("content", [b'{"text": "a", "text": "b"}', b'{"text": "a", "metadata": {"k": 1, "k": 2}}'])
def test_a_field_given_twice_is_refused_by_name(client: TestClient, content: bytes) -> None:
    body = problem(client.post("/v1/triage", content=content, headers=JSON), 400)
    assert body["errors"][0]["field"] in {"text", "k"}


def test_what_was_sent_is_not_echoed(client: TestClient) -> None:
    ticket = {"text": 5, "13812345678": "secret", "ticket_id": ["13812345678"], "metadata": {"13812345678": 2**70}}
    reply = client.post("/v1/triage", json=ticket)
    problem(reply, 422)
    assert "13812345678" not in reply.text
    assert "secret" not in reply.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=gbk"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_media_type_is_refused(client: TestClient, headers: dict) -> None:
    problem(client.post("/v1/triage", content=b'{"text": "a"}', headers=headers), 415)


def test_a_body_over_the_limit_is_refused_before_it_is_parsed(client: TestClient) -> None:
    body = problem(client.post("/v1/triage", content=b"[" * 1_048_577, headers=JSON), 413)
    assert body["errors"][0] == {"field": "body", "got": "1,048,577 bytes", "expected": "at most 1,048,576 bytes"}
    stream = (b"[" * 65_536 for _ in range(20))  # no Content-Length
    problem(client.post("/v1/triage", content=stream, headers=JSON), 413)


@pytest.mark.parametrize("key", ["", "a b", "k" * 201])
def test_an_unusable_idempotency_key_is_refused(client: TestClient, key: str) -> None:
    body = problem(client.post("/v1/triage", json={"text": "好"}, headers={"Idempotency-Key": key}), 422)
    assert body["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("batch", "field"),
    [
        ({"tickets": []}, "tickets"),
        ({"tickets": [{"text": "好"}] * 257}, "tickets"),
        ({"tickets": {"text": "好"}}, "tickets"),
        ({"tickets": [{"text": "好"}], "urgent": True}, "urgent"),
        ({}, "tickets"),
        ([{"text": "好"}], "tickets"),
    ],
)
def test_an_invalid_batch_is_refused_whole(client: TestClient, batch: object, field: str) -> None:
    assert problem(client.post("/v1/triage/batch", json=batch), 422)["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/triage", 405),
        ("DELETE", "/v1/decisions/x", 405),
        ("GET", "/nowhere", 404),
        ("POST", "/healthz", 405),
    ],
)
def test_wrong_addresses_and_methods_are_problems_too(client: TestClient, method: str, path: str, status: int) -> None:
    problem(client.request(method, path), status)


def test_a_problem_reads_as_got_and_expected(client: TestClient) -> None:
    [error] = client.post("/v1/triage", json={"text": "  "}).json()["errors"]
    assert error == {"field": "text", "got": "a string of 2 characters", "expected": "at least one visible character"}
