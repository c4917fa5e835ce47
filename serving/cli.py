"""The ``fenzhen`` command. Each command imports what it needs: offline jobs load no web server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine

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
app.add_typer(keys, name="keys")
app.add_typer(policies, name="policy")
app.add_typer(deadlines, name="sla")
app.add_typer(replies, name="reply")
app.add_typer(database, name="db")

Host = Annotated[str | None, typer.Option(help="Address to listen on; FENZHEN_HOST.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on, 0 for any free one; FENZHEN_PORT.")]
Models = Annotated[Path | None, typer.Option(help="Folder of the model bundles; FENZHEN_MODELS.")]
Policy = Annotated[Path | None, typer.Option(help="Routing policy instead of the built-in one; FENZHEN_POLICY.")]


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


@policies.command("check")
def check_policy(file: Annotated[Path, typer.Argument(help="Routing policy in TOML.")]) -> None:
    """Say whether a policy can be applied; if not, what is wrong and in which line."""
    from triage.policy import PolicyError, load_policy

    try:
        policy, sha256 = load_policy(file)
    except PolicyError as error:
        _refuse(str(error))
    typer.echo(f"{file}: version {policy.version}+{sha256[:12]}, {len(policy.rules)} rules, no fault found")


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
) -> None:
    """Check a draft against the ticket it answers: one line per fault and per promise; exit code 1 for an error."""
    from serving.clock import now
    from triage.reply.lint import lint

    decision = _stored(decision_id)
    report = lint(
        draft.read_text(encoding="utf-8"),
        primary_type=decision.primary_type,
        intensity=decision.intensity.level if decision.intensity else 0,
        risks=frozenset(risk.name for risk in decision.risks),
        received_at=None,
        sent_at=now(),
        fault_established=fault_established,
    )
    for found in report.findings:
        place = f"[{found.start}, {found.end})"
        typer.echo(f"{found.severity}\t{found.rule}\t{place}\t{found.text}\t{found.message}；{found.suggestion}")
    for promise in report.promises:
        due = promise.due_at.isoformat() if promise.due_at else "无时间"
        typer.echo(f"promise\t{due}\t[{promise.start}, {promise.end})\t{promise.text}")
    if any(found.severity == "error" for found in report.findings):
        raise typer.Exit(1)


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
    from serving.startup import StartError
    from serving.storage.opening import open_database

    try:
        return open_database(_settings())[0]
    except StartError as error:
        _refuse(str(error))


def _stored(decision_id: str) -> Decision:
    from serving.storage import repository
    from serving.storage.database import reader
    from triage.decision import Decision

    with reader(_database()).connect() as connection:
        reply = repository.decision_by_id(connection, decision_id)
    if reply is None:
        _refuse(f"decision {decision_id!r} is not in the database; expected the decision_id of a reply")
    return Decision.model_validate_json(reply)


def _refuse(message: str) -> NoReturn:
    typer.echo(f"fenzhen: {message}", err=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    app()
