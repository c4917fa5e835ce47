"""The real server and the real command line, as processes, on the committed champion."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 60


class Server:
    """A running ``fenzhen serve``; ``stdout`` is what it announced, ``log`` the file of its standard error."""

    def __init__(self, environment: dict[str, str], log: Path, *options: str) -> None:
        self.log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serving.cli", "serve", *options],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
            )
        self.stdout = ""
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self._wait_until_ready()
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def stop(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)

    def _wait_until_ready(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        address = None
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.stdout += self._lines.get(timeout=0.05)
            except queue.Empty:
                address = re.search(r"address +http://[^ ]+:(\d+)", self.stdout)
                url = f"http://127.0.0.1:{address[1]}" if address else ""
                if address and "curl -s" in self.stdout and _ready(url):
                    return url
        self.process.kill()
        raise AssertionError(f"the server did not start: {self.log.read_text()[-2000:]}")


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose database and secret are the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FENZHEN_")}
    return {
        **kept,
        "FENZHEN_DATABASE_URL": f"sqlite:///{tmp_path}/fenzhen.db",
        "FENZHEN_SECRET_FILE": f"{tmp_path}/fenzhen.secret",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers, all on the test's own database."""
    started: list[Server] = []

    def start(*options: str) -> Server:
        server = Server(environment, tmp_path / "server.log", "--port", "0", *options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def fenzhen(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one ``fenzhen`` command to its end."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serving.cli", *map(str, arguments)]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=120, check=False
        )

    return run
