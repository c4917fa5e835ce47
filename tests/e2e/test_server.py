"""The server as an operator meets it: it starts or says why not, survives kill -9, and drops nobody when it stops."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PHONE, ID_CARD, EMAIL = "13812345678", "11010519491231002X", "li.lei@example.com"


def tickets(number: int) -> list[dict]:
    return [{"text": f"第{n}次打客服电话都没人接,钱一直不退", "ticket_id": f"T{n}"} for n in range(number)]


def test_the_curl_line_it_prints_works(serve) -> None:
    server = serve()
    [line] = [line for line in server.stdout.splitlines() if "curl -s" in line]
    words = shlex.split(line)
    url = next(word for word in words if word.startswith("http://"))
    reply = httpx.post(url, content=words[-1], headers={"Content-Type": "application/json"}, trust_env=False)
    assert reply.status_code == 200
    decision = reply.json()
    assert set(decision) == {
        *("decision_id", "ticket_id", "types", "primary_type", "intensity", "emotions", "demands", "risks"),
        *("abstained", "abstain_reason", "route", "deadlines", "evidence", "listening", "plan", "receipt"),
    }
    assert decision["primary_type"] in {"service", "refusal"}
    text = json.loads(words[-1])["text"]
    assert decision["evidence"]
    assert all(text[e["start"] : e["end"]] == e["text"] for e in decision["evidence"])
    assert decision["receipt"]["model"] in server.stdout
    assert all(deadline["due_at"] for deadline in decision["deadlines"])  # counted from when it came in
    assert len(decision["deadlines"]) == 2


def test_what_was_answered_survives_kill_9(serve) -> None:
    server = serve()
    answered: dict[str, bytes] = {}

    def post(mine: list[dict]) -> None:
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            for ticket in mine:
                try:
                    reply = client.post("/v1/triage", json=ticket)
                except httpx.TransportError:
                    return
                assert reply.status_code == 200
                answered[reply.json()["decision_id"]] = reply.content

    many = tickets(4_000)
    threads = [threading.Thread(target=post, args=(many[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    while len(answered) < 50:
        time.sleep(0.01)
    server.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert 50 <= len(answered) < 4_000

    restarted = serve()
    for decision_id, content in answered.items():
        assert restarted.client.get(f"/v1/decisions/{decision_id}").content == content
    again = restarted.client.post("/v1/triage", json=many[0])
    assert again.content == answered[again.json()["decision_id"]]


def test_it_answers_what_it_accepted_before_it_stops(serve) -> None:
    server = serve()
    replies: list[httpx.Response] = []
    batch = threading.Thread(
        target=lambda: replies.append(server.client.post("/v1/triage/batch", json={"tickets": tickets(256)}))
    )
    batch.start()
    while "fenzhen_in_flight 256.0" not in httpx.get(f"{server.url}/metrics", trust_env=False).text:
        assert not replies, "the batch was over before it could be interrupted"
    server.process.send_signal(signal.SIGTERM)
    batch.join()
    assert server.process.wait(30) in {0, -signal.SIGTERM}
    assert [result["status"] for result in replies[0].json()["results"]] == [200] * 256


def test_without_keys_it_listens_to_this_machine_only(serve, fenzhen) -> None:
    refused = fenzhen("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "fenzhen keys create" in refused.stderr
    assert "0.0.0.0" in refused.stderr

    key = fenzhen("keys", "create", "crm").stdout.strip()
    server = serve("--host", "0.0.0.0")
    assert server.client.post("/v1/triage", json=tickets(1)[0]).status_code == 401
    headers = {"Authorization": f"Bearer {key}"}
    assert server.client.post("/v1/triage", json=tickets(1)[0], headers=headers).status_code == 200

    assert key not in fenzhen("keys", "list").stdout
    assert fenzhen("keys", "revoke", "crm").returncode == 0
    time.sleep(1.1)
    assert server.client.post("/v1/triage", json=tickets(1)[0], headers=headers).status_code == 401
    assert fenzhen("keys", "revoke", "crm").returncode == 2


def test_a_taken_port_is_named(serve, fenzhen) -> None:
    port = serve().url.rpartition(":")[2]
    refused = fenzhen("serve", "--port", port)
    assert refused.returncode == 2
    assert f"port {port}" in refused.stderr


def champion() -> str:
    aliases = json.loads((ROOT / "models" / "aliases.json").read_text())
    return aliases["champion"]


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_tampered_bundle_is_refused_by_file_and_hash(fenzhen, tmp_path: Path, file: str) -> None:
    models = tmp_path / "models"
    shutil.copytree(ROOT / "models" / champion(), models / champion())
    shutil.copy(ROOT / "models" / "aliases.json", models)
    damaged = models / champion() / file
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    for command in (("serve", "--port", "0"), ("triage", "--input", "x", "--output", tmp_path / "y")):
        refused = fenzhen(*command, "--models", models)
        assert refused.returncode == 2
        assert file in refused.stderr
        assert "expected" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_missing_bundle_is_named(fenzhen, tmp_path: Path) -> None:
    refused = fenzhen("serve", "--port", "0", "--models", tmp_path / "nothing")
    assert refused.returncode == 2
    assert str(tmp_path / "nothing") in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_of_another_secret_is_refused(fenzhen, environment: dict[str, str], tmp_path: Path) -> None:
    assert fenzhen("db", "upgrade").returncode == 0
    environment["FENZHEN_SECRET_FILE"] = f"{tmp_path}/other.secret"
    refused = fenzhen("serve", "--port", "0")
    assert refused.returncode == 2
    assert "FENZHEN_SECRET" in refused.stderr


def test_personal_data_is_nowhere_on_disk(serve, tmp_path: Path) -> None:
    server = serve()
    ticket = {
        "text": f"我叫李雷,电话{PHONE},身份证{ID_CARD},邮箱{EMAIL},你们客服骂人,我要投诉到银保监会!",
        "ticket_id": PHONE,
        "customer_id": ID_CARD,
        "contact": {"phone": PHONE},
        "metadata": {"callback": PHONE},
    }
    reply = server.client.post("/v1/triage", json=ticket, headers={"Idempotency-Key": PHONE})
    assert reply.status_code == 200
    assert reply.json()["ticket_id"] == PHONE
    assert server.client.get(f"/v1/tickets/default/{PHONE}").json()["revisions"][0]["decision"] == reply.json()
    assert server.client.post("/v1/triage", json={**ticket, "received_at": PHONE}).status_code == 422
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    files = [file for file in tmp_path.iterdir() if file.is_file()]
    assert {"fenzhen.db", "server.log"} <= {file.name for file in files}
    for file in files:
        content = file.read_bytes()
        for number in (PHONE, ID_CARD, EMAIL):
            assert number.encode() not in content, f"{number} in {file.name}"
