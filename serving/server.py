"""Starting the server: everything that can fail is tried before the address is bound."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable

import uvicorn

from serving.http.api import create_app
from serving.http.documentation import TICKET_EXAMPLE
from serving.observability import configure_logging
from serving.settings import Settings
from serving.startup import StartError, open_pipeline
from serving.storage import repository
from serving.storage.database import database_url, reader
from serving.storage.opening import open_database
from triage import Pipeline

_BACKLOG = 2048


def run(settings: Settings, echo: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, then answer what was accepted and return; raises ``StartError``."""
    configure_logging(settings.log_level)
    engine, pseudonyms = open_database(settings)
    with reader(engine).connect() as connection:
        needs_key = bool(repository.api_key_rows(connection))
    if not needs_key and not settings.loopback_only:
        raise StartError(
            f"refusing to listen on {settings.host} without API keys: everybody who reaches it could read and write. "
            "Make a key with 'fenzhen keys create NAME', or listen on 127.0.0.1."
        )
    pipeline = open_pipeline(settings)
    config = uvicorn.Config(
        create_app(settings, pipeline, engine, pseudonyms),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    listener = _listen(settings.host, settings.port)
    for line in _announcement(settings, pipeline, listener.getsockname()[1], needs_key):
        echo(line)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn hands Ctrl-C on once it has shut down
        uvicorn.Server(config).run(sockets=[listener])
    engine.dispose()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StartError(
            f"cannot listen on {host} port {port}: {error.strerror}. Set FENZHEN_HOST or FENZHEN_PORT."
        ) from error


def _announcement(settings: Settings, pipeline: Pipeline, port: int, needs_key: bool) -> list[str]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{port}"
    versions = pipeline.receipt_versions
    key = " -H 'Authorization: Bearer fz_…'" if needs_key else ""
    body = json.dumps({"text": TICKET_EXAMPLE["text"]}, ensure_ascii=False)
    return [
        f"Fenzhen 分诊 serves model {versions['model']}, taxonomy {versions['taxonomy']}, policy {versions['policy']}",
        f"  database  {database_url(settings.database_url).render_as_string(hide_password=True)}",
        f"  address   {address}  ({'API key needed' if needs_key else 'no API keys: this machine only'})",
        f"  try       curl -s {address}/v1/triage{key} -H 'Content-Type: application/json' -d '{body}'",
    ]
