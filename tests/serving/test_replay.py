"""Stored decisions are made again from the database alone, and another policy is tried on them before it is used."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, select, update
from typer.testing import CliRunner

from serving import cli, clock
from serving.moves import under_policy
from serving.observability import Metrics
from serving.privacy import Pseudonyms
from serving.replay import NOTHING_KEPT, Replayer, stored, stored_since
from serving.service import TriageService
from serving.settings import Settings
from serving.storage.database import decisions
from triage import Pipeline, Ticket, load_pipeline
from triage.bundle import read_aliases, write_aliases
from triage.policy import DEFAULT_POLICY, load_policy
from triage.routing import load_router

MODELS = Path(__file__).parents[2] / "models"
PHONE = "13812345678"
TICKETS: tuple[dict[str, Any], ...] = (
    {"text": f"我叫李雷，電話{PHONE}，买的洗衣机漏水，客服小李说“你爱找谁找谁”，三天了没人管！！！！！！"},
    {"text": "退货款拖了一个月，再不处理我就去12315投诉", "amount": "230.00", "channel": "12378", "ticket_id": "[/T1]"},
    {"text": "退款说了三天到账，现在第九天了", "previous_contacts": 4, "customer_flags": ["vulnerable"]},
    {"text": "催收天天打我爸妈的电话，我不想活了", "received_at": "2026-03-04T09:30:00.25+08:00", "customer_id": PHONE},
    {"text": "请问年假期间门店几点开门？", "channel": PHONE},
    {"text": "\u200b\u200d", "ticket_id": PHONE},
    {"text": "我３月２日在你们家买的鞋，工号8021的店员不给换码，㈱①店", "opened_at": "2026-02-20T12:00:00+08:00"},
)  # fmt: skip


@pytest.fixture(scope="module")
def champion() -> Pipeline:
    return load_pipeline(MODELS)


def store(engine: Engine, pipeline: Pipeline, tickets: tuple[dict[str, Any], ...] = TICKETS) -> list[str]:
    """The ids of the decisions, in the order of the tickets."""
    service = TriageService(pipeline, engine, Pseudonyms("s" * 32), Metrics())
    numbered = ({"ticket_id": f"T{number}", **ticket} for number, ticket in enumerate(tickets))
    replies = [service.triage(service.submission(Ticket.model_validate(ticket))) for ticket in numbered]
    service.close()
    return [json.loads(reply)["decision_id"] for reply in replies]


def settings(**given: Any) -> Settings:
    return Settings(**{"models": MODELS, "workers": 2, **given})


def rows(engine: Engine) -> list[Any]:
    return [row for chunk in stored_since(engine, "") for row in chunk]


def policy_file(folder: Path, change: Callable[[str], str]) -> Path:
    changed = folder / "routing.toml"
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    assert change(text) != text
    changed.write_text(change(text), encoding="utf-8")
    return changed


def test_what_is_stored_decides_to_the_stored_bytes(engine: Engine, champion: Pipeline) -> None:
    ids = store(engine, champion)
    report = Replayer(settings()).replay_all(stored_since(engine, ""), len(ids))
    assert report.states == {"identical": len(TICKETS)}, report.lines
    assert report.exit_code == 0


def test_what_is_kept_holds_no_personal_number(sqlite_engine: Engine, champion: Pipeline) -> None:
    store(sqlite_engine, champion)
    kept = [row.kept for row in rows(sqlite_engine)]
    assert not any(PHONE in text for text in kept)
    assert any("電話" + "█" * len(PHONE) in text for text in kept)


def test_rows_of_one_moment_are_each_read_once(
    engine: Engine, champion: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = store(engine, champion)
    with engine.begin() as connection:
        connection.execute(update(decisions).values(created_at="2026-03-04T01:30:00.000000+00:00"))
    monkeypatch.setattr("serving.replay._ROWS_AT_ONCE", 2)
    chunks = list(stored_since(engine, "2026-03-04T01:30:00.000000+00:00"))
    assert [len(chunk) for chunk in chunks] == [2, 2, 2, 1]
    assert sorted(row.decision_id for chunk in chunks for row in chunk) == sorted(ids)


def test_a_changed_field_is_named(sqlite_engine: Engine, champion: Pipeline) -> None:
    [decision_id, *_] = store(sqlite_engine, champion, TICKETS[:1])
    row = stored(sqlite_engine, decision_id)
    forged = json.loads(row.reply)
    forged["route"]["tier"] = "L9"
    with sqlite_engine.begin() as connection:
        connection.execute(update(decisions).values(reply=json.dumps(forged, ensure_ascii=False).encode()))
    report = Replayer(settings()).replay_all(stored_since(sqlite_engine, ""), 1)
    [line] = report.lines
    assert re.fullmatch(rf'{decision_id} route\.tier: "L9" is stored, "L\d" is decided now', line)
    assert report.exit_code == 1


def test_the_policy_it_was_decided_by_is_asked_for_and_used(
    sqlite_engine: Engine, champion: Pipeline, tmp_path: Path
) -> None:
    store(sqlite_engine, champion)
    other = policy_file(tmp_path, lambda text: text.replace('version = "2', 'version = "3', 1))
    report = Replayer(settings(policy=other)).replay_all(stored_since(sqlite_engine, ""), len(TICKETS))
    needed, loaded = champion.receipt_versions["policy"], load_router(other).version
    assert report.lines == {f"policy {needed} needed, {loaded} loaded; give --policy FILE": len(TICKETS)}
    assert report.exit_code == 2
    given = Replayer(settings(policy=DEFAULT_POLICY)).replay_all(stored_since(sqlite_engine, ""), len(TICKETS))
    assert given.exit_code == 0


def test_the_bundle_of_the_receipt_comes_before_the_champion(
    sqlite_engine: Engine, champion: Pipeline, tmp_path: Path
) -> None:
    """A later champion does not keep earlier decisions from being proved, as long as their bundle is there."""
    store(sqlite_engine, champion)
    models, then = tmp_path / "models", read_aliases(MODELS).champion
    assert then
    shutil.copytree(MODELS / then, models / "later")
    (models / then).symlink_to((MODELS / then).resolve())
    manifest = models / "later" / "manifest.json"
    later = json.loads(manifest.read_text("utf-8"))
    later["version"], later["min_confidence"] = "later", 1.0
    manifest.write_text(json.dumps(later), "utf-8")
    write_aliases(models, read_aliases(MODELS).model_copy(update={"champion": "later"}))

    replayed = Replayer(settings(models=models)).replay_all(stored_since(sqlite_engine, ""), len(TICKETS))
    assert replayed.states == {"identical": len(TICKETS)}

    (models / then).unlink()
    lost = Replayer(settings(models=models)).replay_all(stored_since(sqlite_engine, ""), len(TICKETS))
    [line] = lost.lines
    assert line.startswith(f"model {champion.receipt_versions['model']} needed, later+")
    assert line.endswith(f"loaded; put the bundle into {models}")
    assert lost.exit_code == 2


def test_decisions_from_before_say_that_nothing_was_kept(sqlite_engine: Engine, champion: Pipeline) -> None:
    store(sqlite_engine, champion, TICKETS[:2])
    with sqlite_engine.begin() as connection:
        connection.execute(update(decisions).values(kept=None))
    report = Replayer(settings()).replay_all(stored_since(sqlite_engine, ""), 2)
    assert report.lines == {NOTHING_KEPT: 2}
    assert report.exit_code == 2
    moves = under_policy(rows(sqlite_engine), *load_policy())
    assert (moves.nothing_kept, moves.movers) == (2, [])


def test_under_the_same_policy_nothing_moves(sqlite_engine: Engine, champion: Pipeline) -> None:
    store(sqlite_engine, champion)
    moves = under_policy(rows(sqlite_engine), *load_policy())
    assert moves.movers == []
    assert moves.decided_by == {champion.receipt_versions["policy"]: len(TICKETS)}
    assert sum(count for before in moves.tiers.values() for count in before.values()) == len(TICKETS)
    assert all(before == after for before, row in moves.tiers.items() for after in row)


def test_movers_name_the_rules_that_made_the_difference(
    sqlite_engine: Engine, champion: Pipeline, tmp_path: Path
) -> None:
    store(sqlite_engine, champion)
    before = {row.ticket_id: json.loads(row.reply)["route"] for row in rows(sqlite_engine)}
    assert before["[/T1]"]["reasons"][0]["code"] == "regulator"

    def change(text: str) -> str:
        rule = '[[rules]]\ncode = "elderly_first"\ntier = "L4"\nqueue = "关爱专席"\ntext = "需照顾的客户"\n'
        rule += 'when = { flags = ["vulnerable"], min_contacts = 4 }\n'
        text = re.sub(r'(code = "regulator"\ntier = )"L3"', r'\1"L2"', text)
        return text.replace("[[rules]]", f"{rule}\n[[rules]]", 1).replace('other = "咨询建议"', 'other = "问询台"')

    moves = under_policy(rows(sqlite_engine), *load_policy(policy_file(tmp_path, change)))
    by_ticket = {mover.ticket_id: mover for mover in moves.movers}
    retiered, added = by_ticket["[/T1]"], by_ticket["T2"]
    assert (retiered.tier_before, retiered.tier_after) == ("L3", "L2")
    assert retiered.rules == ("=regulator",)
    assert (added.tier_after, added.queue_after) == ("L4", "关爱专席")
    assert added.rules == ("+elderly_first",)
    asked = [mover for mover in moves.movers if mover.queue_after == "问询台"]
    assert [mover.rules for mover in asked] == [("=queues.other",)]
    assert moves.tiers["L3"]["L2"] == 1


def test_a_rule_that_fired_before_and_now_decides_is_named(
    sqlite_engine: Engine, champion: Pipeline, tmp_path: Path
) -> None:
    store(sqlite_engine, champion)
    raised = policy_file(tmp_path, lambda text: re.sub(r'(code = "vulnerable_customer"\ntier = )".."', r'\1"L3"', text))
    [mover] = under_policy(rows(sqlite_engine), *load_policy(raised)).movers
    route = json.loads(stored(sqlite_engine, mover.decision_id).reply)["route"]
    assert [reason["code"] for reason in route["reasons"]] == ["repeated_contacts", "vulnerable_customer"]
    assert (mover.tier_before, mover.tier_after, mover.rules) == ("L2", "L3", ("=vulnerable_customer",))


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("30d", datetime(2026, 2, 2, 12, tzinfo=UTC)),
        ("12h", datetime(2026, 3, 4, 0, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 30, 16, tzinfo=UTC)),
    ],
)
def test_since_is_days_hours_or_a_date_in_china(said: str, moment: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.clock.now", lambda: datetime(2026, 3, 4, 12, tzinfo=UTC))
    assert clock.since(said) == moment


@pytest.mark.parametrize("said", ["", "d", "30", "-3d", "3w", "2026-02-30", "99999999999d", "昨天"])
def test_another_since_is_refused_with_what_is_expected(said: str) -> None:
    with pytest.raises(ValueError, match=r"expected days such as 30d"):
        clock.since(said)


@pytest.fixture
def fenzhen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command in this process, on the database of ``sqlite_engine``."""
    monkeypatch.setenv("FENZHEN_DATABASE_URL", f"sqlite:///{tmp_path}/fenzhen.db")
    monkeypatch.setenv("FENZHEN_SECRET", "s" * 32)
    monkeypatch.setenv("FENZHEN_MODELS", str(MODELS))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_the_command_replays_one_or_all(
    fenzhen: Callable[..., Result], sqlite_engine: Engine, champion: Pipeline
) -> None:
    ids = store(sqlite_engine, champion)
    one = fenzhen("replay", ids[0])
    assert (one.exit_code, one.stdout) == (0, "1 identical\n")
    assert fenzhen("replay", "--all").stdout == f"{len(TICKETS)} identical\n"
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    assert fenzhen("replay", "--since", tomorrow).stdout == "none stored\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a decision id, --since, --all"),
        (("x", "--all"), "a decision id, --since, --all"),
        (("--since", "soon"), "--since: got 'soon'"),
        (("not-there",), "decision 'not-there' is not in the database"),
    ],
)
def test_the_command_says_what_it_expects(
    fenzhen: Callable[..., Result], arguments: tuple[str, ...], said: str
) -> None:
    refused = fenzhen("replay", *arguments)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_policy_is_tried_without_changing_the_database(
    fenzhen: Callable[..., Result], sqlite_engine: Engine, champion: Pipeline, tmp_path: Path
) -> None:
    store(sqlite_engine, champion)
    with sqlite_engine.connect() as connection:
        before = connection.execute(select(decisions)).all()
    new = policy_file(tmp_path, lambda text: re.sub(r'(code = "regulator"\ntier = )"L3"', r'\1"L2"', text))
    shown = fenzhen("policy", "replay", "--policy", new, "--since", "1d", "--json", tmp_path / "moves.json")
    assert shown.exit_code == 0, shown.output
    assert f"1 of {len(TICKETS)} tickets would move" in shown.stdout
    assert re.search(r"\[/T1\] .*L3 → L2.*=regulator", shown.stdout)
    assert f"{len(TICKETS)} were decided under {champion.receipt_versions['policy']}" in shown.stdout
    moves = json.loads((tmp_path / "moves.json").read_text("utf-8"))
    assert [mover["ticket_id"] for mover in moves["movers"]] == ["[/T1]"]
    with sqlite_engine.connect() as connection:
        assert connection.execute(select(decisions)).all() == before


def test_a_policy_with_a_fault_is_refused_by_line(fenzhen: Callable[..., Result], tmp_path: Path) -> None:
    faulty = policy_file(tmp_path, lambda text: text.replace('default_tier = "L1"', 'default_tier = "L7"'))
    refused = fenzhen("policy", "replay", "--policy", faulty)
    assert refused.exit_code == 2
    assert "default_tier" in refused.stderr
