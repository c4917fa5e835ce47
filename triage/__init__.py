"""Fenzhen's core: ``load_pipeline("models").triage("…")``. No torch, no web, no database."""

from triage.decision import Decision
from triage.pipeline import Pipeline, load_pipeline
from triage.ticket import Ticket

__all__ = ["Decision", "Pipeline", "Ticket", "load_pipeline"]
