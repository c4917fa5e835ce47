"""The HTTP application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Engine

from serving.customers import Customers
from serving.drafts import Drafts
from serving.http import customers, drafts, responses, v1
from serving.http.admission import Admission
from serving.http.counter import Counter
from serving.http.documentation import Health, openapi, replies
from serving.http.middleware import Boundary
from serving.keys import KeyRing
from serving.observability import Metrics
from serving.privacy import Pseudonyms
from serving.promises import Promises
from serving.service import TriagePipeline, TriageService
from serving.settings import Settings

_DESCRIPTION = "Triage of Chinese customer complaints: types, emotions, risks, tier, queue, evidence and a receipt."


def create_app(settings: Settings, pipeline: TriagePipeline, engine: Engine, pseudonyms: Pseudonyms) -> FastAPI:
    """The application on an open pipeline and a migrated database; starts threads when it starts, not before."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = TriageService(pipeline, engine, pseudonyms, metrics)
        admission = Admission(settings.queue_limit, settings.workers, metrics)
        app.state.counter = Counter(
            settings,
            service,
            Customers(engine, pseudonyms),
            Drafts(engine, pipeline.clocks.add_workdays),
            Promises(engine),
            admission,
            KeyRing(engine),
        )
        try:
            yield
        finally:
            admission.close()
            service.close()

    # The bundled documentation pages load scripts from a public network: left out, /openapi.json suffices.
    app = FastAPI(
        title="Fenzhen 分诊",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    for endpoints in (v1, drafts, customers):
        app.include_router(endpoints.router)
    responses.install(app)
    app.add_middleware(Boundary, metrics=metrics)

    @app.get("/healthz", tags=["operation"], summary="Is the process alive?", responses=replies(Health))
    async def healthz() -> Response:
        """Answers as long as the process does."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    @app.get("/readyz", tags=["operation"], summary="Can it triage?", responses=replies(Health, 503))
    async def readyz(request: Request) -> Response:
        """Ready when the bundle is open, as it is from the start, and the database answers."""
        await asyncio.to_thread(request.app.state.counter.service.ready)
        return Response(b'{"status":"ready"}', media_type="application/json")

    @app.get("/metrics", include_in_schema=False)
    async def read_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app
