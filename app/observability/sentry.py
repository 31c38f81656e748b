"""`init_sentry()`: the one call that wires everything, and the only caller of `sentry_sdk.init`.

Thread-safe; calling it twice is harmless, the last call wins. In OFF mode the SDK is not touched at all.
"""

import atexit
import logging
import os
import re
import threading
from collections.abc import Iterable
from typing import Any

import sentry_sdk
from fastapi import FastAPI
from sentry_sdk import Scope
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import (
    ignore_logger,
    ignore_logger_for_sentry_logs,
)

from .attributes import keep_field_names
from .authentication import Refusals
from .capture import ExceptionEnricher, drop_reported, judge_first
from .database import SqlalchemyIntegration, has_sqlalchemy, watch_engine
from .dbreports import tag_database_failure
from .feedback import FeedbackPages
from .feedback import use as use_for_feedback
from .fieldnames import FieldNames
from .folding import SharedBudget
from .handle import Observability, make_folding, make_transport
from .held import expect_captured, hold_logged
from .httpflow import HttpOptions
from .installation import installation_of
from .lifespan import LifespanInstrumentation
from .logrecords import NamingLoggingIntegration
from .measures import use_measures
from .operations import name_failed_operation
from .pipeline import Pipeline
from .requestdata import RequestEnricher, platform_tags
from .routes import TEST_PATH, ObservabilityRoute, Pages
from .routing import RouteTable
from .scopes import CleanScopes
from .scrubbing import Scrubber
from .settings import Mode, ObservabilitySettings
from .state import current_flow
from .threads import ThreadingIntegration
from .tracing import Sampler
from .tunnel import Tunnel
from .upstream import HttpxIntegration, tag_upstream_failure
from .user import TIER_TAG, Identify, accept_tiers
from .version import PACKAGE
from .websocket import WebSocketInstrumentation, WebSocketOptions

logger = logging.getLogger(__name__)
_init_lock = threading.Lock()
_active: Observability | None = None

IGNORED_LOGGERS = (
    __name__.rpartition(".")[0] + ".*",  # a log of ours inside a hook would enter the hook again
    "uvicorn.error",  # repeats every crash with the server's traceback
    "httpx",  # whole addresses; upstream.py leaves a breadcrumb of its own
    "httpcore*",  # headers, credentials included, when it debugs
    "sqlalchemy.engine*",  # values beside the statements; dbqueries.py leaves breadcrumbs of its own
    "uvicorn.access",  # raw paths and queries, of which the transaction has the template
)
MAX_BREADCRUMBS = 50
MAX_VALUE_CHARS = 16_384


class FastApiIntegration(Integration):
    """Ours, under the SDK's name; `init_sentry` does the work, nothing is patched."""

    identifier = "fastapi"

    @staticmethod
    def setup_once() -> None:
        """Patch nothing: the instrumentation is middleware of one application."""


class WebSocketIntegration(Integration):
    """Names the WebSocket instrumentation in `sdk.integrations`; nothing is patched."""

    identifier = "websocket"

    @staticmethod
    def setup_once() -> None:
        """Patch nothing: the instrumentation is middleware of one application."""


def init_sentry(
    app: FastAPI | None = None,
    *,
    settings: ObservabilitySettings | None = None,
    engine: Any = None,
    identify: Identify | None = None,
) -> Observability:
    """Wire error, performance and user reporting into the application, straight after `FastAPI()`.

    Args:
        app: The application; without one only the SDK is set up, for scripts and workers.
        settings: Default: read from SENTRY_* variables.
        engine: The SQLAlchemy engine (sync or async), or several: database failures then name host and database, and
            replicas share the month's budget through an async PostgreSQL engine.
        identify: Called once a request or WebSocket connection with Starlette's `HTTPConnection`; returns a
            `UserContext` or None, directly or as an awaitable. `identify_user()` does the same from inside.

    Returns:
        A handle with `mode`, `status()` and `flush()`.

    Raises:
        ObservabilityConfigError: Settings are wrong; the message lists every fault.
        RuntimeError: The application already serves.
    """
    global _active
    with _init_lock:
        handle = Observability(settings if settings is not None else ObservabilitySettings())
        if app is not None and handle.mode is not Mode.OFF:
            installation_of(app)  # refuses before anything was started
        if _active is not None:
            atexit.unregister(_active.end)
            _active.retire()
        if handle.mode is not Mode.OFF:
            _start(handle, _shared_engine(app, engine, handle.settings))
            for each in _engines(engine):
                watch_engine(each)
        if handle.mode is Mode.LIVE:
            atexit.register(handle.end)  # for scripts; under a server the lifespan has closed it before
        _active = handle
        if app is not None:
            _install(app, handle, identify)
        logger.info(
            "Sentry %s: environment %s, release %s, traces %s",
            handle.mode,
            handle.settings.environment,
            handle.settings.release,
            handle.settings.traces_sample_rate,
        )
        return handle


def _engines(engine: Any) -> Iterable[Any]:
    if engine is None:
        return ()
    return engine if isinstance(engine, list | tuple | set) else (engine,)


def _shared_engine(app: FastAPI | None, engine: Any, settings: ObservabilitySettings) -> Any:
    """The async PostgreSQL engine through which replicas share the budget, on the application's loop, if any."""
    if app is None or not settings.shared_budget:
        return None
    shared = (
        each
        for each in _engines(engine)
        if hasattr(each, "sync_engine") and each.dialect.name == "postgresql"
    )
    return next(iter(shared), None)


def _start(handle: Observability, shared_engine: Any) -> None:
    settings = handle.settings
    handle.folding = make_folding(handle, shared_engine)
    pipeline = handle.pipeline = Pipeline(
        scrubber=Scrubber(extra_keys=settings.scrub_keys, allow_keys=settings.scrub_allow),
        counters=handle.counters,
        filters=(hold_logged, drop_reported, expect_captured),
        enrichers=(
            ExceptionEnricher(with_locals=settings.includes_locals),
            name_failed_operation,
            RequestEnricher(settings.client_ip_header if settings.send_client_ip else None),
            tag_database_failure,
            tag_upstream_failure,
        ),
        folding=handle.folding,
        attributes=_user_attributes,
        personal=[
            *(["email"] if settings.send_email else []),
            *(["ip_address"] if settings.send_client_ip else []),
        ],
    )
    handle.transport = make_transport(handle, pipeline)
    use_for_feedback(handle)
    judge_first(pipeline.judge)
    keep_field_names()
    accept_tiers(settings.user_tiers)
    for name in IGNORED_LOGGERS:
        ignore_logger(name)
        ignore_logger_for_sentry_logs(name)
    sentry_sdk.init(
        # LOCAL passes "", or the SDK would take SENTRY_DSN and SENTRY_SPOTLIGHT from the environment
        dsn=settings.dsn if handle.mode is Mode.LIVE else "",
        spotlight=False,
        transport=handle.transport,
        environment=settings.environment,
        release=settings.release,
        # a host name may be a person's; a replica's id is not
        server_name=os.environ.get("RAILWAY_REPLICA_ID") or PACKAGE,
        # an explicit list: the defaults add argv, and auto-enabling would patch Starlette and asyncpg
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            FastApiIntegration(),
            WebSocketIntegration(),
            *([SqlalchemyIntegration(settings.slow_query_ms)] if has_sqlalchemy() else []),
            # spans of external calls; the SDK's own costs more and records whole addresses
            HttpxIntegration(host.lower() for host in settings.trace_targets),
            # breadcrumbs from INFO, events from ERROR, Sentry logs from the set level if they are wanted
            NamingLoggingIntegration(sentry_logs_level=getattr(logging, settings.logs_level.upper())),
            ExcepthookIntegration(),  # crashes of scripts
            ThreadingIntegration(
                propagate_scope=True
            ),  # crashes of threads, with their request's route and user
            AtexitIntegration(
                callback=lambda pending, timeout: None
            ),  # flush of scripts, without a word on stderr
        ],
        before_send=pipeline.before_send,  # type: ignore[arg-type]  # the SDK's own TypedDicts
        before_send_transaction=pipeline.before_send_transaction,  # type: ignore[arg-type]
        before_send_log=pipeline.before_send_log,  # type: ignore[arg-type]
        before_send_metric=pipeline.before_send_metric if settings.enable_metrics else no_metric,  # type: ignore[arg-type]
        # asleep until spans are streamed; as an option of its own the SDK would warn of it at every start
        _experiments={"before_send_span": pipeline.before_send_span},  # type: ignore[typeddict-item]
        event_scrubber=FieldNames(),  # type: ignore[arg-type]  # the SDK's would change the service's own dictionaries
        traces_sampler=lambda context: handle.sample_rate(),  # an incoming decision never raises our rate
        trace_propagation_targets=trace_targets(settings.trace_targets),
        include_local_variables=False,  # capture.py reads those of in-app frames
        include_source_context=False,
        max_request_body_size="never",  # requestdata.py keeps what the application itself reads
        max_breadcrumbs=MAX_BREADCRUMBS,
        max_value_length=MAX_VALUE_CHARS,
        shutdown_timeout=settings.flush_timeout_s,
        send_client_reports=False,  # the transport sends its own, with every fate
        auto_session_tracking=False,
        enable_backpressure_handling=False,  # the budget decides, without a thread of its own
        enable_logs=settings.enable_logs,
    )
    handle.client = sentry_sdk.get_client()
    use_measures(handle.client, pipeline if settings.enable_metrics else None)
    for tag, value in platform_tags().items():
        Scope.get_global_scope().set_tag(tag, value)


def no_metric(metric: Any, hint: Any) -> None:
    """Hook for SENTRY_ENABLE_METRICS=false: the SDK has no switch for metrics (SDK 2.75)."""


def trace_targets(hosts: Iterable[str]) -> list[str]:
    """Patterns for `trace_propagation_targets`: exactly these hosts, on any port; none means no trace headers."""
    return [rf"^https?://{re.escape(host.lower())}(:\d+)?(/|\?|#|$)" for host in hosts]


def _user_attributes() -> dict[str, str]:
    flow = current_flow()
    user = flow.user if flow is not None else None
    if user is None:
        return {}
    return {"user.id": user.id, **({TIER_TAG: user.tier} if user.tier else {})}


def _install(app: FastAPI, handle: Observability, identify: Identify | None) -> None:
    pages = Pages(handle)
    endpoints = pages.endpoints() | FeedbackPages(handle).endpoints() | Tunnel(handle).endpoints()
    route = ObservabilityRoute(endpoints)
    if handle.mode is Mode.OFF:
        app.router.routes.insert(0, route)
        return
    installation = installation_of(app)
    installation.set_route(route)
    installation.identify = identify
    base = Scope.get_isolation_scope()
    routes = RouteTable(app.router.routes)
    sampler = Sampler(handle.sample_rate)
    quiet = {*endpoints, *handle.settings.health_paths}

    refusals = Refusals(handle.settings.auth_spike_per_minute)
    scopes = CleanScopes(base)
    installation.options = HttpOptions(
        routes=routes,
        sampler=sampler,
        quiet_paths=frozenset(quiet),
        slow_request_ms=handle.settings.slow_request_ms,
        scopes=scopes,
        on_outcome=refusals.on_outcome,
        capture_422=handle.settings.capture_422,
        answers={TEST_PATH: pages.answer_test},
    )
    installation.websocket = WebSocketInstrumentation(
        WebSocketOptions(
            routes,
            sampler,
            scopes,
            on_refused=refusals.refused,
            with_metrics=handle.settings.enable_metrics,
        )
    )
    installation.lifespan = LifespanInstrumentation(
        handle.close, SharedBudget(leases) if handle.folding and (leases := handle.folding.leases) else None
    )
