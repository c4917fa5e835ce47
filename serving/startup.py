"""Opening what a command works with; every failure becomes one sentence for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.clock import now
from serving.settings import Settings

if TYPE_CHECKING:
    from triage import Pipeline


class StartError(Exception):
    """Why a command cannot start, in a sentence for the operator."""


def open_pipeline(settings: Settings, bundle: str | None = None) -> Pipeline:
    """The pipeline of the champion, or of the version ``bundle``, warmed up; ``StartError`` names the file at fault."""
    from triage import load_pipeline
    from triage.bundle import BundleError
    from triage.calendars import CalendarError, shanghai
    from triage.clocks import ClockError
    from triage.playbook import PlaybookError
    from triage.policy import PolicyError

    try:
        pipeline = load_pipeline(
            settings.models,
            bundle=bundle,
            policy=settings.policy,
            sla=settings.sla,
            profile=settings.sla_profile,
            playbook=settings.playbook,
        )
        year = shanghai(now()).year
        pipeline.clocks.check_years(year, year)
    except (BundleError, PolicyError, ClockError, CalendarError, PlaybookError) as error:
        raise StartError(str(error)) from error
    pipeline.warm_up()
    return pipeline
