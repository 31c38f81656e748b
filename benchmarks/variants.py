"""What is compared: how each variant instruments the application. Rivals are measured where they are installed.

Every variant gets what its own guide tells a FastAPI user to write, and nothing to make it slower or faster. A no-op
transport takes what is ready to be sent and drops it, ours after the last gate, so that scrubbing is in the figure.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PUBLIC_KEY = "c" * 32
"""The DSN's key. Nobody checks it: the sink takes everything."""


@dataclass(frozen=True)
class Variant:
    """One way to instrument the application.

    Attributes:
        name: As it stands in the tables.
        family: Which function below instruments it.
        rate: Of traces, in [0, 1].
        is_sent: Whether it sends to the sink instead of dropping what it would send.
    """

    name: str
    family: str
    rate: float = 0.0
    is_sent: bool = False


NONE = Variant("none", "none")
CONTROL = Variant("none, again", "none")
OFF = Variant("ours, off", "off")
RIVALS = {
    "OpenTelemetry": "opentelemetry.instrumentation.fastapi",
    "logfire": "logfire",
    "elastic-apm": "elasticapm",
}


def installed(module: str) -> bool:
    """Say whether a rival can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def all_variants(rates: tuple[float, ...] = (0.0, 0.1, 1.0)) -> list[Variant]:
    """Return what can be measured here, in the order of the tables."""
    found = [NONE, CONTROL, OFF]
    for family in ("ours", "sentry-sdk"):
        found += [Variant(f"{family} {rate}", family, rate) for rate in rates]
        found += [Variant(f"{family} {rate}, sent", family, rate, is_sent=True) for rate in (1.0,)]
    for family, module in RIVALS.items():
        if installed(module):
            found += [Variant(f"{family} {rate}", family, rate) for rate in rates if rate]
    return found


@dataclass(frozen=True)
class Place:
    """Where a variant reports to."""

    sink_port: int
    folder: Path

    @property
    def dsn(self) -> str:
        """DSN of the sink."""
        return f"http://{PUBLIC_KEY}@127.0.0.1:{self.sink_port}/1"


@dataclass(frozen=True)
class Running:
    """An instrumented application: a way to wait until everything was sent, and the module's handle if it is ours."""

    flush: Callable[[], None] = lambda: None
    handle: Any = None


def instrument(variant: Variant, app: Any, engine: Any, place: Place) -> Running:
    """Instrument the application as the variant does."""
    return _FAMILIES[variant.family](variant, app, engine, place)


def _none(variant: Variant, app: Any, engine: Any, place: Place) -> Running:
    return Running()


def _off(variant: Variant, app: Any, engine: Any, place: Place) -> Running:
    from app.observability import ObservabilitySettings, init_sentry

    handle = init_sentry(app, settings=ObservabilitySettings(enabled=False), engine=engine)
    return Running(handle=handle)


def _ours(variant: Variant, app: Any, engine: Any, place: Place) -> Running:
    import sentry_sdk
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.transport import Transport

    from app.observability import ObservabilitySettings, init_sentry

    settings = ObservabilitySettings(
        enabled=True,
        dsn=place.dsn,
        environment="production",
        release="streamapi@1.0.0",
        traces_sample_rate=variant.rate,
        monthly_errors=0,
        monthly_spans=0,
        spool_dir=place.folder / "spool",
    )
    handle = init_sentry(app, settings=settings, engine=engine)
    if variant.is_sent:
        return Running(handle.flush, handle)
    assert handle.pipeline is not None
    gate = handle.pipeline.gate

    class DroppingTransport(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            gate(envelope)

    handle.transport = sentry_sdk.get_client().transport = DroppingTransport()
    return Running(handle=handle)


def _bare(variant: Variant, app: Any, engine: Any, place: Place) -> Running:
    import sentry_sdk
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.transport import Transport

    class DroppingTransport(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            """Drop it."""

    options: dict[str, Any] = {} if variant.is_sent else {"transport": DroppingTransport()}
    sentry_sdk.init(dsn=place.dsn, traces_sample_rate=variant.rate or None, **options)
    return Running(sentry_sdk.flush if variant.is_sent else Running.flush)


def _opentelemetry(variant: Variant, app: Any, engine: Any, place: Place) -> Running:
    trace = importlib.import_module("opentelemetry.trace")
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    sampling = importlib.import_module("opentelemetry.sdk.trace.sampling")
    fastapi = importlib.import_module("opentelemetry.instrumentation.fastapi")
    provider = sdk.TracerProvider(sampler=sampling.ParentBasedTraceIdRatio(variant.rate))
    provider.add_span_processor(_dropping_processor())
    trace.set_tracer_provider(provider)
    fastapi.FastAPIInstrumentor.instrument_app(app)
    if installed("opentelemetry.instrumentation.sqlalchemy"):
        sqlalchemy = importlib.import_module("opentelemetry.instrumentation.sqlalchemy")
        # refuses versions newer than itself, and works with them
        sqlalchemy.SQLAlchemyInstrumentor().instrument(engine=engine.sync_engine, skip_dep_check=True)
    return Running()


def _logfire(variant: Variant, app: Any, engine: Any, place: Place) -> Running:
    logfire = importlib.import_module("logfire")
    logfire.configure(
        send_to_logfire=False,
        console=False,
        sampling=logfire.SamplingOptions(head=variant.rate),
        additional_span_processors=[_dropping_processor()],
        data_dir=place.folder / "logfire",
    )
    logfire.instrument_fastapi(app)
    if installed("opentelemetry.instrumentation.sqlalchemy"):
        logfire.instrument_sqlalchemy(engine=engine, skip_dep_check=True)  # as above
    return Running()


def _elastic(variant: Variant, app: Any, engine: Any, place: Place) -> Running:
    starlette = importlib.import_module("elasticapm.contrib.starlette")
    client = starlette.make_apm_client(
        {
            "SERVICE_NAME": "streamapi",
            "TRANSACTION_SAMPLE_RATE": variant.rate,
            "TRANSPORT_CLASS": "benchmarks.elastic_noop.DroppingTransport",
            "CENTRAL_CONFIG": False,
            "CLOUD_PROVIDER": "none",
            "METRICS_INTERVAL": "0ms",
        }
    )
    app.add_middleware(starlette.ElasticAPM, client=client)
    return Running()


def _dropping_processor() -> Any:
    export = importlib.import_module("opentelemetry.sdk.trace.export")

    class DroppingExporter(export.SpanExporter):  # type: ignore[misc,name-defined]  # known at run time only
        def export(self, spans: Any) -> Any:
            return export.SpanExportResult.SUCCESS

    return export.BatchSpanProcessor(DroppingExporter())


_FAMILIES: dict[str, Callable[[Variant, Any, Any, Place], Running]] = {
    "none": _none,
    "off": _off,
    "ours": _ours,
    "sentry-sdk": _bare,
    "OpenTelemetry": _opentelemetry,
    "logfire": _logfire,
    "elastic-apm": _elastic,
}
