"""Settings of the service, read from ``FENZHEN_*`` environment variables."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

BATCH_LIMIT = 256
"""Tickets in one batch request."""


def _usable_cores() -> int:
    # A container may be given fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """What an operator can set; every field is the variable ``FENZHEN_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="FENZHEN_", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    database_url: str = Field(default="sqlite:///var/fenzhen.db", min_length=1)
    models: Path = Path("models")
    policy: Path | None = None
    sla: Path | None = Field(default=None, description="Deadlines instead of the built-in ones.")
    sla_profile: str | None = Field(default=None, description="Industry whose statutory clocks run beside our own.")
    playbook: Path | None = None
    queue_limit: int = Field(default=512, description="Tickets accepted and not yet answered; past it 429.")
    workers: int = Field(default_factory=_usable_cores, ge=1, le=256)
    max_body_bytes: int = Field(default=1_048_576, ge=1_024, description="Body of POST /v1/triage.")
    max_batch_bytes: int = Field(default=16_777_216, ge=1_024, description="Body of POST /v1/triage/batch.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    secret: SecretStr | None = Field(default=None, description="Keys the pseudonyms; else read from secret_file.")
    secret_file: Path = Path("var/fenzhen.secret")

    @model_validator(mode="after")
    def _batch_fits_queue(self) -> Self:
        if self.queue_limit < BATCH_LIMIT:
            raise ValueError(
                f"FENZHEN_QUEUE_LIMIT is {self.queue_limit}: expected at least {BATCH_LIMIT}, one full batch"
            )
        return self

    @property
    def loopback_only(self) -> bool:
        """Whether ``host`` can be reached from this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
