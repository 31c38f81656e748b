"""Composition root: the only place that lists settings, engine, observability and routes.

Importing it opens no connection. `uvicorn app.main:app` and `python -m app` both serve `app`.
"""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from app.access_log import hide_keys_in_access_log
from app.database import Database, make_engine
from app.models import Base
from app.observability import ObservabilitySettings, init_sentry
from app.observability.version import __version__
from app.orchestration import Orchestrator
from app.routes import demo, discovery, health, orchestrate, stream
from app.seed import make_seed
from app.settings import AppSettings, LogLevel

logger = logging.getLogger(__name__)


def create_app(
    settings: AppSettings | None = None, *, observability: ObservabilitySettings | None = None
) -> FastAPI:
    """Make the service; settings that are not given are read from the environment.

    Raises:
        AppConfigError: the service's variables are wrong.
        ObservabilityConfigError: the variables about Sentry are wrong.
    """
    settings = settings or AppSettings.load()
    observability = observability or ObservabilitySettings()
    _configure_logging(settings.log_level)
    engine = make_engine(settings.database)

    app = FastAPI(title="StreamAPI", version=__version__, lifespan=_lifespan)
    app.state.observability = init_sentry(app, settings=observability, engine=engine)

    is_playground = settings.database.is_embedded and observability.environment == "development"
    seed = make_seed(with_demo_users=is_playground, port=settings.port)
    app.state.database = Database(engine, Base.metadata, seed, _announce)
    app.state.orchestrator = Orchestrator(
        timeout_s=settings.upstream_timeout_s, demo_upstreams=demo.make_upstreams()
    )
    for routes in (health, discovery, orchestrate, stream, demo):
        app.include_router(routes.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    try:
        await app.state.database.prepare()
    except (SQLAlchemyError, OSError) as error:
        # Ending here would have the platform restart us until it gives up. /health says 503 until it works.
        logger.warning("The database cannot be used yet (%s); trying again on use", type(error).__name__)
    yield
    await app.state.orchestrator.close()
    await app.state.database.close()


def _announce(text: str) -> None:
    """Show a text to whoever started the service. Not logged: logs are kept, and this one holds keys."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _configure_logging(level: LogLevel) -> None:
    """Make what `app` logs visible, unless somebody has configured logging already."""
    own = logging.getLogger("app")
    own.setLevel(level.upper())
    if not own.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(name)s: %(message)s"))
        own.addHandler(handler)
    hide_keys_in_access_log()


app = create_app()
