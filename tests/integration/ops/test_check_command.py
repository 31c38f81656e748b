"""`check` finds each planted fault and nothing on a right set-up."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from app.observability import ObservabilitySettings
from app.observability.budget.ledger import Ledger as BudgetLedger
from app.observability.budget.pools import Limits
from app.observability.ops.check import service
from app.observability.ops.check.versions import TESTED
from tests.support.fake_sentry_api import (
    ORG,
    ORG_TOKEN,
    PROJECT,
    PROJECT_ID,
    PUBLIC_KEY,
    USER_TOKEN,
    FakeSentryApi,
)
from tests.support.ops_command import Ran, ops_command

ROOT = Path(__file__).parents[3]
START = "exec uvicorn app.main:app --host 0.0.0.0 --port ${PORT:-8000} --timeout-graceful-shutdown 20"
BEFORE_THE_END = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


@dataclass
class World:
    """A service that is set up rightly, on Railway, and everything that a test may spoil."""

    sentry: FakeSentryApi
    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    deploy: dict[str, Any] = field(default_factory=dict)
    procfile: str = f"web: {START}\n"
    versions: dict[str, str] = field(default_factory=dict)
    now: datetime = BEFORE_THE_END
    offline: bool = False
    skew_s: float = 0.0

    def check(self, *options: str) -> Ran:
        (self.root / "Procfile").write_text(self.procfile, encoding="utf-8")
        if self.deploy:
            (self.root / "railway.json").write_text(json.dumps({"deploy": self.deploy}), encoding="utf-8")
        self.sentry.clock_offset_s = self.skew_s + self.now.timestamp() - time.time()
        more = ("--offline",) if self.offline else ()
        with (
            mock.patch.object(service, "now", return_value=self.now),
            mock.patch("app.observability.ops.check.versions.installed", return_value=self.versions),
        ):
            return ops_command("check", "--root", str(self.root), *more, *options, **self.environ)

    def codes(self) -> set[str]:
        found = self.check("--json").json["findings"]
        return {finding["code"] for finding in found}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    with FakeSentryApi() as sentry:
        yield World(
            sentry,
            tmp_path,
            environ={
                "SENTRY_ENABLED": "true",
                "SENTRY_DSN": sentry.dsn,
                "SENTRY_ORG": ORG,
                "SENTRY_PROJECT": PROJECT,
                "SENTRY_AUTH_TOKEN": USER_TOKEN,
                "SENTRY_TEST_TOKEN": "Zk3-" + "vR8_qLw0" + "XbN5tYh2",
                "SENTRY_SPOOL_DIR": str(spool),
                "RAILWAY_ENVIRONMENT_NAME": "production",
                "RAILWAY_GIT_COMMIT_SHA": "0123456789abcdef0123456789abcdef01234567",
                "DATABASE_URL": "postgresql://db.invalid/x",
            },
            deploy={
                "startCommand": START,
                "healthcheckPath": "/health",
                "drainingSeconds": 30,
                "overlapSeconds": 5,
            },
            versions={
                "python": "3.11.9",
                **{name: known.newest for name, known in TESTED.items() if name != "python"},
            },
        )


def test_a_right_set_up_has_no_finding(world: World) -> None:
    done = world.check()
    assert (done.code, "Nothing to mend." in done.text) == (0, True), done.text
    assert world.codes() == set()


def test_every_variable_is_shown_with_what_it_resolves_to_and_no_secret(world: World) -> None:
    shown = world.check("--json")
    variables = shown.json["variables"]
    assert variables["SENTRY_TRACES_SAMPLE_RATE"] == {"value": "0.1", "origin": "default"}
    assert variables["SENTRY_ENVIRONMENT"] == {
        "value": "production",
        "origin": "from RAILWAY_ENVIRONMENT_NAME",
    }
    assert variables["SENTRY_RELEASE"]["origin"] == "from RAILWAY_GIT_COMMIT_SHA"
    assert variables["SENTRY_DSN"]["value"].endswith(f"/{PROJECT_ID}")
    assert (
        variables["SENTRY_AUTH_TOKEN"]["value"] == variables["SENTRY_TEST_TOKEN"]["value"] == "(set, hidden)"
    )
    for text in (shown.text, world.check().text):
        for secret in (PUBLIC_KEY, USER_TOKEN, world.environ["SENTRY_TEST_TOKEN"]):
            assert secret not in text


def test_the_probe_of_sentry_costs_no_quota(world: World) -> None:
    world.check()
    (sent,) = world.sentry.envelopes
    assert b'"client_report"' in sent
    assert b'"discarded_events": []' in sent


Plant = Callable[[World], object]


def env(**values: str) -> Plant:
    return lambda world: world.environ.update(values)


def without(*names: str) -> Plant:
    return lambda world: [world.environ.pop(name, None) for name in names]


def deploy(**values: Any) -> Plant:
    return lambda world: world.deploy.update(values)


def answer(status: int, **headers: str) -> Plant:
    def plant(world: World) -> None:
        world.sentry.envelope_status, world.sentry.envelope_headers = status, headers

    return plant


def closed_port(world: World) -> None:
    world.environ["SENTRY_DSN"] = f"http://{PUBLIC_KEY}@127.0.0.1:1/{PROJECT_ID}"
    world.environ["SENTRY_URL"] = world.sentry.url


def another_key(world: World) -> None:
    world.environ["SENTRY_DSN"] = world.sentry.dsn.replace(PUBLIC_KEY, "d" * 32)


def spool_under_a_file(world: World) -> None:
    (world.root / "file").write_text("")
    world.environ["SENTRY_SPOOL_DIR"] = str(world.root / "file" / "spool")


def open_spool(world: World) -> None:
    Path(world.environ["SENTRY_SPOOL_DIR"]).chmod(0o755)


def waiting_events(world: World) -> None:
    folder = Path(world.environ["SENTRY_SPOOL_DIR"]) / "envelopes" / "worker"
    folder.mkdir(parents=True)
    (folder / "x.envelope").write_text("")
    world.now = datetime.fromtimestamp(time.time() + 7200, UTC)
    world.deploy = {}


def damaged_files(world: World) -> None:
    folder = Path(world.environ["SENTRY_SPOOL_DIR"]) / "envelopes" / "damaged"
    folder.mkdir(parents=True)
    (folder / "x.envelope").write_text("")


def state_of(world: World, dsn: str | None = None) -> Path:
    """Where the service keeps the budget of a destination."""
    settings = ObservabilitySettings(
        dsn=dsn or world.environ["SENTRY_DSN"], spool_dir=world.environ["SENTRY_SPOOL_DIR"]
    )
    settings.state_dir.mkdir(mode=0o700, parents=True)
    return settings.state_dir / "budget.json"


def spent_budget(world: World) -> None:
    ledger = BudgetLedger(Limits(5000, 5_000_000), world.now.timestamp())
    raw = ledger.dump()
    raw["gone"] = {pool: 4500 if index == 0 else 0 for index, pool in enumerate(raw["gone"])}
    state_of(world).write_text(json.dumps({"ledger": raw}))


def torn_budget(world: World) -> None:
    state_of(world).write_text("{")


def both_formats(world: World) -> None:
    (world.root / ".railway").mkdir()
    (world.root / ".railway" / "railway.ts").write_text("")


def broken_json(world: World) -> None:
    world.deploy = {}
    (world.root / "railway.json").write_text("{")


def project_token(world: World) -> None:
    world.sentry.tokens[USER_TOKEN] = frozenset({"project:read"})


FAULTS: list[tuple[str, str, Plant]] = [
    ("a rate of 2", "settings.wrong", env(SENTRY_TRACES_SAMPLE_RATE="2")),
    ("a DSN without key", "settings.wrong", env(SENTRY_DSN="https://sentry.invalid/1")),
    ("a misspelled variable", "settings.unknown", env(SENTRY_TRACE_SAMPLE_RATE="0.2")),
    ("quotes", "settings.quoted", env(SENTRY_TRACES_SAMPLE_RATE='"0.2"')),
    ("a variable of the SDK", "settings.sdk", env(SENTRY_DEBUG="true")),
    ("an unresolved reference", "settings.unresolved", env(DATABASE_URL="${{Postgres.DATABASE_URL}}")),
    ("production without Sentry", "mode.off", without("SENTRY_ENABLED", "SENTRY_DSN")),
    (
        "a DSN alone",
        "mode.undecided",
        lambda world: [without("SENTRY_ENABLED")(world), env(SENTRY_ENVIRONMENT="qa")(world)],
    ),
    ("development on Railway", "environment.development", env(SENTRY_ENVIRONMENT="development")),
    ("no commit", "release.same", without("RAILWAY_GIT_COMMIT_SHA")),
    ("a release by hand", "release.pinned", env(SENTRY_RELEASE="streamapi@1.0.0")),
    ("a release without name", "release.form", env(SENTRY_RELEASE="v1.0.0")),
    ("everything sampled", "rate.high", env(SENTRY_TRACES_SAMPLE_RATE="1")),
    ("nothing sampled", "rate.zero", env(SENTRY_TRACES_SAMPLE_RATE="0")),
    ("no budget", "budget.unlimited", env(SENTRY_MONTHLY_ERRORS="0")),
    ("locals", "privacy.locals", env(SENTRY_INCLUDE_LOCALS="true")),
    ("a forgeable address", "privacy.forgeable-ip", env(SENTRY_CLIENT_IP_HEADER="X-Forwarded-For")),
    ("a star as trace target", "privacy.trace-target", env(SENTRY_TRACE_TARGETS="*.example.com")),
    ("a URL as trace target", "privacy.trace-target", env(SENTRY_TRACE_TARGETS="https://a.example.com/x")),
    ("a tunnel for nobody", "privacy.tunnel", env(SENTRY_TUNNEL="true")),
    ("a test token of few characters", "token.weak", env(SENTRY_TEST_TOKEN="ab" * 12)),
    ("a test token of words", "token.weak", env(SENTRY_TEST_TOKEN="my-" + "password-is-long-1Z")),
    ("no test token", "token.none", without("SENTRY_TEST_TOKEN")),
    ("a DSN in clear text", "dsn.clear-text", env(SENTRY_DSN=f"http://{PUBLIC_KEY}@sentry.invalid/1")),
    (
        "a DSN with secret key",
        "dsn.secret-key",
        env(SENTRY_DSN=f"https://{PUBLIC_KEY}:{'e' * 32}@sentry.invalid/1"),
    ),
    ("Sentry away", "sentry.unreachable", closed_port),
    ("a revoked key", "sentry.refused-key", another_key),
    ("no such project", "sentry.no-project", answer(404)),
    ("429", "sentry.rate-limited", answer(429, **{"Retry-After": "60"})),
    ("a limit beside 200", "sentry.rate-limited", answer(200, **{"X-Sentry-Rate-Limits": "60:error:org"})),
    ("a fault of Sentry", "sentry.fault", answer(503)),
    ("something else at that address", "sentry.odd", answer(405)),
    ("a slow clock", "clock.wrong", lambda world: setattr(world, "skew_s", 300.0)),
    ("a spool that can't be written", "spool.read-only", spool_under_a_file),
    ("a spool that all can read", "spool.open", open_spool),
    ("events that wait", "spool.waiting", waiting_events),
    ("damaged files", "spool.damaged", damaged_files),
    ("a spool on the container", "spool.volatile", without("SENTRY_SPOOL_DIR")),
    ("a budget nearly spent", "budget.spent", spent_budget),
    ("a torn budget file", "budget.unreadable", torn_budget),
    ("a broken railway.json", "railway.unreadable", broken_json),
    ("a wrong key", "railway.unknown-key", deploy(deploymentOverlapSeconds=5)),
    ("seconds as text", "railway.not-a-number", deploy(overlapSeconds="5")),
    ("a pre-deploy command as text", "railway.not-a-list", deploy(preDeployCommand="make")),
    ("both formats", "railway.both", both_formats),
    (
        "the end of railway.json near",
        "railway.json-ends",
        lambda world: setattr(world, "now", datetime(2026, 11, 20, tzinfo=UTC)),
    ),
    (
        "the end of railway.json past",
        "railway.json-ends",
        lambda world: setattr(world, "now", datetime(2026, 12, 2, tzinfo=UTC)),
    ),
    ("another Procfile", "start.differs", lambda world: setattr(world, "procfile", "web: python -m app\n")),
    ("no exec", "start.no-exec", deploy(startCommand=START.removeprefix("exec "))),
    ("a fixed port", "start.port", deploy(startCommand=START.replace("${PORT:-8000}", "8000"))),
    ("no end for requests", "drain.endless", deploy(startCommand="exec uvicorn app.main:app --port $PORT")),
    ("a short drain", "drain.short", deploy(drainingSeconds=10)),
    ("no drain", "drain.short", lambda world: world.deploy.pop("drainingSeconds")),
    ("a long flush", "drain.short", env(SENTRY_FLUSH_TIMEOUT_S="20")),
    ("no health check", "health.none", lambda world: world.deploy.pop("healthcheckPath")),
    ("another health check", "health.reported", deploy(healthcheckPath="/ready")),
    (
        "replicas without database",
        "replicas.budget",
        lambda world: [deploy(numReplicas=3)(world), without("DATABASE_URL")(world)],
    ),
    (
        "replicas in regions",
        "replicas.budget",
        lambda world: [
            deploy(multiRegionConfig={"a": {"numReplicas": 1}, "b": {"numReplicas": 2}})(world),
            env(DATABASE_URL="sqlite:///x.db")(world),
        ],
    ),
    (
        "replicas with a volume",
        "replicas.volume",
        lambda world: [deploy(numReplicas=2)(world), env(RAILWAY_VOLUME_MOUNT_PATH="/data")(world)],
    ),
    (
        "a release that can stop a deploy",
        "release.strict",
        deploy(preDeployCommand=["python -m app.observability release --strict"]),
    ),
    ("an old SDK", "version.untested", lambda world: world.versions.update({"sentry-sdk": "2.61.0"})),
    ("the next major SDK", "version.untested", lambda world: world.versions.update({"sentry-sdk": "3.0.0"})),
    ("a newer SDK", "version.newer", lambda world: world.versions.update({"sentry-sdk": "2.99.0"})),
    ("a new Python", "version.untested", lambda world: world.versions.update(python="3.20.1")),
    ("half a token", "api.incomplete", without("SENTRY_ORG")),
    ("no token", "api.none", without("SENTRY_ORG", "SENTRY_PROJECT", "SENTRY_AUTH_TOKEN")),
    ("a wrong API address", "api.address", env(SENTRY_URL="ftp://sentry.io")),
    ("a revoked token", "api.refused", env(SENTRY_AUTH_TOKEN="sntryu_" + "f" * 64)),
    ("a token without the scope for alerts", "api.no-alerts", project_token),
    ("an organization token", "api.org-token", env(SENTRY_AUTH_TOKEN=ORG_TOKEN)),
]


@pytest.mark.parametrize(
    ("code", "plant"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_planted_fault_is_found(world: World, code: str, plant: Plant) -> None:
    if code.startswith("dsn."):
        world.offline = True
    plant(world)
    done = world.check("--json")
    found = {finding["code"]: finding for finding in done.json["findings"]}
    assert code in found
    assert all(found[code][part] for part in ("what", "why", "fix"))
    assert done.code == int(any(finding["severity"] != "note" for finding in found.values()))
    for secret in (USER_TOKEN, world.environ.get("SENTRY_TEST_TOKEN") or "-" * 40):
        assert secret not in done.text


def test_the_set_up_of_this_project_has_no_fault_of_start_drain_and_health(world: World) -> None:
    world.procfile = (ROOT / "Procfile").read_text(encoding="utf-8")
    world.deploy = json.loads((ROOT / "railway.json").read_text(encoding="utf-8"))["deploy"]
    assert world.codes() == set()


def test_drain_may_come_from_the_variable_where_there_is_no_railway_json(world: World) -> None:
    world.deploy = {}
    assert "drain.short" in world.codes()
    world.environ["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"] = "30"
    assert world.codes() == set()


@pytest.mark.parametrize("end", ["lowest", "newest"])
def test_versions_that_were_tested_are_no_finding(world: World, end: str) -> None:
    world.versions = {name: getattr(known, end) + ".0" for name, known in TESTED.items()}
    assert world.codes() == set()


def test_offline_asks_nobody(world: World) -> None:
    world.offline = True
    assert world.codes() == set()
    assert world.sentry.calls == []
    assert world.sentry.envelopes == []


def test_what_another_project_has_spent_is_not_this_services_business(world: World) -> None:
    spent_budget(world)
    assert "budget.spent" in world.codes()
    mine, other = world.environ["SENTRY_DSN"], world.environ["SENTRY_DSN"] + "1"
    state_of(world, other).write_text("{")
    world.environ["SENTRY_DSN"] = other
    assert "budget.unreadable" in world.codes()
    world.environ["SENTRY_DSN"] = mine
    assert "budget.unreadable" not in world.codes()
