"""The ``fenzhen`` command. Each command imports what it needs: offline jobs load no web server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from serving.privacy import Pseudonyms
    from serving.settings import Settings
    from triage.decision import Decision

app = typer.Typer(
    help="Fenzhen 分诊: triage of Chinese customer complaints.", no_args_is_help=True, add_completion=False
)
keys = typer.Typer(help="API keys of the server.", no_args_is_help=True)
database = typer.Typer(help="The database of the server.", no_args_is_help=True)
policies = typer.Typer(help="The routing policy.", no_args_is_help=True)
deadlines = typer.Typer(help="The clocks of decisions.", no_args_is_help=True)
replies = typer.Typer(help="Draft replies to customers.", no_args_is_help=True)
promises = typer.Typer(help="Promises made to customers.", invoke_without_command=True)
customers = typer.Typer(help="Customers, as their tickets show them.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(policies, name="policy")
app.add_typer(deadlines, name="sla")
app.add_typer(replies, name="reply")
app.add_typer(promises, name="promises")
app.add_typer(customers, name="customer")
app.add_typer(database, name="db")

Host = Annotated[str | None, typer.Option(help="Address to listen on; FENZHEN_HOST.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on, 0 for any free one; FENZHEN_PORT.")]
Models = Annotated[Path | None, typer.Option(help="Folder of the model bundles; FENZHEN_MODELS.")]
Policy = Annotated[Path | None, typer.Option(help="Routing policy instead of the built-in one; FENZHEN_POLICY.")]
Source = Annotated[str, typer.Argument(help="The ticketing system, as in its tickets.")]
CustomerId = Annotated[str, typer.Argument(help="The customer's id there.")]
Since = Annotated[str | None, typer.Option(help="How far back: 30d, 12h, or a date such as 2026-01-31.")]


@app.command()
def serve(host: Host = None, port: Port = None, models: Models = None, policy: Policy = None) -> None:
    """Open the bundle, migrate the database, and answer requests until told to stop."""
    from serving.server import run
    from serving.startup import StartError

    settings = _settings(host=host, port=port, models=models, policy=policy)
    try:
        run(settings, typer.echo)
    except StartError as error:
        _refuse(str(error))


@app.command()
def triage(
    input: Annotated[Path, typer.Option(help="JSONL, one ticket per line.")],
    output: Annotated[Path, typer.Option(help="JSONL, one decision per line, in the order of the input.")],
    rejects: Annotated[Path | None, typer.Option(help="Bad lines with the reason [OUTPUT.rejects.jsonl].")] = None,
    models: Models = None,
    policy: Policy = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; FENZHEN_WORKERS.")] = None,
) -> None:
    """Triage a file offline: no server, no database. Run again after an interruption it continues."""
    from serving.offline.job import run
    from serving.offline.progress import configure_job_logging
    from serving.offline.state import JobError
    from serving.startup import StartError, open_pipeline

    configure_job_logging()
    settings = _settings(models=models, policy=policy, workers=workers)
    rejects = rejects or output.with_name(output.name + ".rejects.jsonl")
    try:
        state = run(open_pipeline(settings), input, output, rejects, settings)
    except (JobError, StartError) as error:
        _refuse(str(error))
    if state.rejected:
        typer.echo(f"fenzhen: {state.rejected} of {state.lines} lines rejected, see {rejects}", err=True)
        raise typer.Exit(1)


@app.command()
def show(decision_id: Annotated[str, typer.Argument(help="Id of a stored decision.")]) -> None:
    """Print a decision as a handler reads it."""
    from serving.summary import summary

    typer.echo(summary(_stored(decision_id)))


@app.command("replay")
def replay_decisions(
    decision_id: Annotated[str | None, typer.Argument(help="Id of a stored decision.")] = None,
    since: Since = None,
    every: Annotated[bool, typer.Option("--all", help="Every stored decision.")] = False,
    models: Models = None,
    policy: Policy = None,
) -> None:
    """Decide stored tickets again: identical to the byte, or which version is missing, or which fields differ.

    Exit code 0 when all are identical, 1 when one differs, 2 when one cannot be replayed.
    """
    from serving.replay import Replayer, count_since, stored, stored_since
    from serving.startup import StartError

    if [decision_id is not None, since is not None, every].count(True) != 1:
        _refuse("expected one of: a decision id, --since, --all")
    engine, replayer = _database(), Replayer(_settings(models=models, policy=policy))
    try:
        if decision_id is None:
            start = _start(since)
            report = replayer.replay_all(stored_since(engine, start), count_since(engine, start))
        elif row := stored(engine, decision_id):
            report = replayer.replay_all([[row]], 1)
        else:
            _refuse_unknown(decision_id)
    except StartError as error:
        _refuse(str(error))
    for line, times in report.lines.items():
        typer.echo(line if times == 1 else f"{line} ({times:,} decisions)")
    typer.echo(", ".join(f"{count:,} {state}" for state, count in report.states.items()) or "none stored")
    raise typer.Exit(report.exit_code)


@policies.command("check")
def check_policy(file: Annotated[Path, typer.Argument(help="Routing policy in TOML.")]) -> None:
    """Say whether a policy can be applied; if not, what is wrong and in which line."""
    from triage.policy import PolicyError, load_policy

    try:
        policy, sha256 = load_policy(file)
    except PolicyError as error:
        _refuse(str(error))
    typer.echo(f"{file}: version {policy.version}+{sha256[:12]}, {len(policy.rules)} rules, no fault found")


@policies.command("replay")
def replay_policy(
    policy: Annotated[Path, typer.Option(help="Routing policy in TOML, not in use yet.")],
    since: Since = None,
    json: Annotated[Path | None, typer.Option(help="File for the counts and the movers.")] = None,
) -> None:
    """Show which stored tickets another policy would send elsewhere; nothing is changed."""
    from rich.console import Console

    from serving.moves import show_moves, under_policy
    from serving.replay import count_since, stored_since, watched
    from triage.policy import PolicyError, load_policy

    try:
        tried = load_policy(policy)
    except PolicyError as error:
        _refuse(str(error))
    engine, start = _database(), _start(since)
    rows = (row for chunk in stored_since(engine, start) for row in chunk)
    moves = under_policy(watched(rows, count_since(engine, start)), *tried)
    if json:
        json.write_text(moves.model_dump_json(indent=1) + "\n", encoding="utf-8")
    show_moves(moves, Console(markup=False, emoji=False, highlight=False))


@policies.command("tune")
def tune_policy(
    labelled: Annotated[
        list[Path],
        typer.Argument(help="JSONL of complaints with labels, and their tier.", exists=True, dir_okay=False),
    ],
    staff: Annotated[list[str], typer.Option(help="Heads of a tier, such as L1=20; once for each tier.")],
    per_head: Annotated[float, typer.Option(min=0, help="Tickets one head settles a day.")],
    volume: Annotated[float, typer.Option(min=0, help="Tickets that come in a day.")],
    under_cost: Annotated[float, typer.Option(min=0, help="Cost of a ticket for each tier it comes out too low.")] = 5,
    over_cost: Annotated[float, typer.Option(min=0, help="Cost of a ticket for each tier it comes out too high.")] = 1,
    models: Models = None,
    policy: Policy = None,
    out: Annotated[Path | None, typer.Option(help="New file for the policy with the proposed numbers.")] = None,
) -> None:
    """Propose the numbers at which labelled complaints would cost least; nothing is put into use.

    Rules of the highest tier and rules over risks are never touched, and no number is chosen to fit the head-counts.
    """
    from rich.console import Console

    from serving.startup import StartError, open_pipeline
    from serving.tuning import Capacity, examples, heads, read_labelled, show_proposal
    from triage.policy import DEFAULT_POLICY, PolicyError, load_policy
    from triage.tuning import Costs, TuningError, propose, rewritten

    settings = _settings(models=models, policy=policy)
    if out and out.exists():
        _refuse(f"--out: {out} exists; expected the name of a new file")
    try:
        file = settings.policy or DEFAULT_POLICY
        now, _ = load_policy(file)
        capacity = Capacity(heads(staff, now.tiers), per_head, volume)
        rows = [row for path in labelled for row in read_labelled(path, now.tiers)]
        found = examples(rows, open_pipeline(settings), now, settings.workers)
        proposal = propose(now, found, Costs(under_cost, over_cost))
        changed = rewritten(file.read_bytes().decode(), proposal.changes)
    except (PolicyError, StartError, TuningError) as error:
        _refuse(str(error))
    show_proposal(proposal, now, capacity, Console(markup=False, emoji=False, highlight=False))
    if out and proposal.changes:
        out.write_bytes(changed.encode())
        typer.echo(f"Wrote {out}: raise its version, then fenzhen policy check and fenzhen policy replay.", err=True)
    elif out:
        typer.echo(f"{out} was not written: nothing to change.", err=True)


@deadlines.command("explain")
def explain_deadlines(decision_id: Annotated[str, typer.Argument(help="Id of a stored decision.")]) -> None:
    """Print when a decision's clocks run out, and how each was counted."""
    decision = _stored(decision_id)
    typer.echo(f"{decision.route.tier} {decision.route.queue}\t{decision.receipt.sla}")
    for deadline in decision.deadlines:
        due = deadline.due_at.isoformat() if deadline.due_at else "无法计算"
        typer.echo(f"{deadline.clock}\t{deadline.basis}\t{due}\t{deadline.rule}\t{deadline.text}")
    if not decision.deadlines:
        typer.echo("No deadlines: the decision was made without a received_at.", err=True)


@replies.command("lint")
def lint_reply(
    draft: Annotated[Path, typer.Argument(help="Draft reply, a text file in UTF-8.", exists=True, dir_okay=False)],
    decision_id: Annotated[str, typer.Option("--decision", help="Id of the decision it answers.")],
    fault_established: Annotated[bool, typer.Option(help="The finding is in: the fault is ours.")] = False,
    sent: Annotated[bool, typer.Option("--sent", help="It is being sent: track what it promises.")] = False,
) -> None:
    """Check a draft against the ticket it answers: one line per fault and per promise; exit code 1 for an error."""
    from serving.drafts import Draft, Drafts
    from serving.intake import read_model
    from serving.problems import ProblemError
    from triage.clocks import ClockError, load_clocks

    settings = _settings()
    given = {"decision_id": decision_id, "fault_established": fault_established, "sent": sent}
    try:
        reply = read_model(Draft, {**given, "draft": draft.read_text(encoding="utf-8")}, "draft")
        clocks = load_clocks(settings.sla, settings.sla_profile)
    except ProblemError as error:
        _refuse("; ".join(f"{e.field}: found {e.got}, expected {e.expected}" for e in error.problem.errors))
    except ClockError as error:
        _refuse(str(error))
    report = Drafts(_database(), clocks.add_workdays).check(reply)
    if report is None:
        _refuse_unknown(decision_id)
    for found in report.findings:
        place = f"[{found.start}, {found.end})"
        typer.echo(f"{found.severity}\t{found.rule}\t{place}\t{found.text}\t{found.message}；{found.suggestion}")
    for promise in report.promises:
        due = promise.due_at.isoformat() if promise.due_at else "无时间"
        typer.echo(f"promise\t{due}\t[{promise.start}, {promise.end})\t{promise.text}")
    if any(found.severity == "error" for found in report.findings):
        raise typer.Exit(1)


@promises.callback()
def list_promises(
    context: typer.Context,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those past their time.")] = False,
) -> None:
    """Print every open promise: number, when it is due, source and ticket, the words it was made in."""
    if context.invoked_subcommand:
        return
    from serving.promises import Promises

    for source, ticket_id, promise in Promises(_database()).open(overdue=overdue):
        due = promise.due_at.isoformat() if promise.due_at else "无时间"
        state = "已逾期" if promise.overdue else "未到期"
        typer.echo(f"{promise.promise_id}\t{due}\t{state}\t{source}\t{ticket_id}\t{promise.text}")


@promises.command("kept")
def keep_promise(promise_id: Annotated[int, typer.Argument(min=1, help="Number of an open promise.")]) -> None:
    """Say that a promise was kept."""
    from serving.promises import Promises

    if Promises(_database()).keep(promise_id) is None:
        _refuse(f"promise {promise_id} is not open; expected a number that 'fenzhen promises' prints")
    typer.echo(f"Promise {promise_id} was kept.", err=True)


@customers.command("show")
def show_customer(source: Source, customer_id: CustomerId) -> None:
    """Print what a customer's stored tickets add up to."""
    from serving.customers import Customers, page

    picture = Customers(*_opened_database()).picture(source, customer_id)
    if picture is None:
        _refuse_customer()
    typer.echo(page(picture))


@customers.command("forget")
def forget_customer(source: Source, customer_id: CustomerId) -> None:
    """Take a customer's id off every stored ticket, for good; the tickets stay."""
    from serving.customers import Customers

    forgotten = Customers(*_opened_database()).forget(source, customer_id)
    if forgotten is None:
        _refuse_customer()
    typer.echo(f"{forgotten.tickets:,} tickets no longer lead to this customer.", err=True)


@keys.command("create")
def create_key(name: Annotated[str, typer.Argument(help="Who or what will use the key.")]) -> None:
    """Make a key and print it, once; only its hash is stored."""
    from serving.keys import KeyNameError, create_key

    try:
        typer.echo(create_key(_database(), name))
    except KeyNameError as error:
        _refuse(str(error))
    typer.echo("Shown once; send it as 'Authorization: Bearer …'. Every /v1 call needs a key from now on.", err=True)


@keys.command("list")
def list_keys() -> None:
    """Print name, first characters, creation and revocation of every key."""
    from serving.storage import repository
    from serving.storage.database import reader

    with reader(_database()).connect() as connection:
        for row in repository.api_key_rows(connection):
            state = f"revoked {row.revoked_at}" if row.revoked_at else "active"
            typer.echo(f"{row.name}\t{row.prefix}…\tcreated {row.created_at}\t{state}")


@keys.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument(help="Name of the key.")]) -> None:
    """Revoke a key; running servers refuse it within a second."""
    from serving.keys import KeyNameError, revoke_key

    try:
        revoke_key(_database(), name)
    except KeyNameError as error:
        _refuse(str(error))
    typer.echo(f"Revoked {name}.", err=True)


@database.command("upgrade")
def upgrade_database() -> None:
    """Create the tables, or bring them to the version this program needs."""
    from serving.storage.database import SCHEMA_REVISION

    _database()
    typer.echo(f"The database is at revision {SCHEMA_REVISION}.")


def _settings(**given: object) -> Settings:
    from pydantic import ValidationError

    from serving.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        faults = [(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        _refuse("; ".join(f"setting {field}: {fault}" if field else fault for field, fault in faults))


def _database() -> Engine:
    return _opened_database()[0]


def _opened_database() -> tuple[Engine, Pseudonyms]:
    from serving.startup import StartError
    from serving.storage.opening import open_database

    try:
        return open_database(_settings())
    except StartError as error:
        _refuse(str(error))


def _stored(decision_id: str) -> Decision:
    from serving.storage import repository
    from serving.storage.database import reader
    from triage.decision import Decision

    with reader(_database()).connect() as connection:
        reply = repository.decision_by_id(connection, decision_id)
    if reply is None:
        _refuse_unknown(decision_id)
    return Decision.model_validate_json(reply)


def _start(since: str | None) -> str:
    from serving import clock

    try:
        return clock.iso_utc(clock.since(since)) if since else ""
    except ValueError as error:
        _refuse(f"--since: {error}")


def _refuse_unknown(decision_id: str) -> NoReturn:
    _refuse(f"decision {decision_id!r} is not in the database; expected the decision_id of a reply")


def _refuse_customer() -> NoReturn:
    _refuse("no stored ticket carries this customer id; expected the source and customer_id of a ticket")


def _refuse(message: str) -> NoReturn:
    typer.echo(f"fenzhen: {message}", err=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    app()
