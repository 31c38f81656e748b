"""The command line itself: exit codes, JSON, help, and never a secret."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.observability.ops.cli import main
from tests.support.fake_sentry_api import ORG, PROJECT, PUBLIC_KEY, USER_TOKEN, FakeSentryApi
from tests.support.ops_command import Ran, ops_command

ROOT = Path(__file__).parents[3]
FILE = str(ROOT / "sentry" / "alerts.toml")


@pytest.fixture
def sentry() -> Iterator[FakeSentryApi]:
    with FakeSentryApi(page_size=50) as fake:
        yield fake


def alerts(sentry: FakeSentryApi, command: str, *options: str, **environ: str) -> Ran:
    token = {
        "SENTRY_ORG": ORG,
        "SENTRY_PROJECT": PROJECT,
        "SENTRY_AUTH_TOKEN": USER_TOKEN,
        "SENTRY_DSN": sentry.dsn,
    }
    return ops_command("alerts", command, "--file", FILE, *options, **{**token, **environ})


def test_plan_apply_and_plan_again(sentry: FakeSentryApi) -> None:
    plan = alerts(sentry, "plan")
    assert plan.code == 1
    assert "+ monitor error rate over 1 %" in plan.text
    assert "~ ownership rules and assignment" in plan.text
    done = alerts(sentry, "apply")
    assert (done.code, "Sentry matches the file now." in done.text) == (0, True)
    assert (alerts(sentry, "plan").code, alerts(sentry, "apply").code) == (0, 0)
    assert "Nothing to do" in alerts(sentry, "apply").text


def test_json_of_plan_and_apply(sentry: FakeSentryApi) -> None:
    plan = alerts(sentry, "plan", "--json").json
    assert plan["in_sync"] is False
    assert ("create", "alert", "slow") in {
        (each["action"], each["kind"], each["name"]) for each in plan["changes"]
    }
    done = alerts(sentry, "apply", "--json").json
    assert (done["in_sync"], done["left"], {result["error"] for result in done["done"]}) == (True, [], {None})
    assert alerts(sentry, "plan", "--json").json == {"in_sync": True, "changes": [], "notes": []}


def test_apply_ends_with_1_and_says_what_failed(sentry: FakeSentryApi) -> None:
    sentry.fail("POST", "/workflows/", 500)
    done = alerts(sentry, "apply")
    assert done.code == 1
    assert "fault of its own" in done.text
    assert alerts(sentry, "apply").code == 0


def test_apply_notices_what_sentry_did_not_keep(sentry: FakeSentryApi) -> None:
    alerts(sentry, "apply")
    next(iter(sentry.workflows.values()))["config"] = {"frequency": 7}
    sentry.fail("PUT", "/workflows/", 200, body="{}")
    done = alerts(sentry, "apply")
    assert done.code == 1
    assert "1 differences are left" in done.text


def test_validate_needs_no_token_and_lists_what_alerts_mean() -> None:
    done = ops_command("alerts", "validate", "--file", FILE)
    assert done.code == 0
    assert "Paying users are hit." in done.text
    assert ops_command("alerts", "validate", "--file", FILE, "--json").json["faults"] == []


def test_validate_ends_with_1_on_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text('prefix = "x"\n')
    done = ops_command("alerts", "validate", "--file", str(path))
    assert done.code == 1
    assert "environment" in done.text


def test_validate_reads_the_ownership_rules_too(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text('prefix = "svc"\nenvironment = "*"\nnotify = "owners"\n[ownership]\nassign = "owner"\n')
    assert "ownership.txt" in ops_command("alerts", "validate", "--file", str(path)).text
    (tmp_path / "ownership.txt").write_text("path:src/* bob\n")
    done = ops_command("alerts", "validate", "--file", str(path))
    assert (done.code, "bob is neither" in done.text) == (1, True)
    (tmp_path / "ownership.txt").write_text("path:src/* #team\n")
    assert ops_command("alerts", "validate", "--file", str(path)).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("alerts", "plan"),
        ("nonsense",),
        ("alerts", "plan", "--nonsense"),
        ("railway", "migrate", "--lang", "go"),
    ],
)
def test_wrong_use_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert ops_command(*arguments, *(("--file", FILE) if arguments == ("alerts", "plan") else ())).code == 2


@pytest.mark.parametrize(
    ("environ", "code", "expected"),
    [
        ({"SENTRY_ORG": ""}, 2, "SENTRY_ORG must be set"),
        ({"SENTRY_URL": "http://sentry.example.com"}, 2, "https://"),
        ({"SENTRY_URL": "sentry.io"}, 2, "SENTRY_URL must be an address"),
        ({"SENTRY_URL": "http://[::1"}, 2, "SENTRY_URL must be an address"),
        ({"SENTRY_URL": "https://sentry.io:abc"}, 2, "SENTRY_URL must be an address"),
        ({"SENTRY_URL": "https://sentry.io/api/0"}, 2, "drop the path"),
        ({"SENTRY_AUTH_TOKEN": "ключ"}, 2, "SENTRY_AUTH_TOKEN may hold ASCII"),
        ({"SENTRY_ORG": "my company"}, 2, "SENTRY_ORG is no slug"),
        ({"SENTRY_DSN": "htps://k@sentry.example.com/1"}, 2, "SENTRY_DSN is not"),
        ({"SENTRY_PROJECT": "other"}, 1, "Check SENTRY_ORG=acme and SENTRY_PROJECT=other"),
        ({"SENTRY_AUTH_TOKEN": "wrong" + "-" + "token"}, 1, "mistyped, expired or revoked"),
    ],
)
def test_wrong_variables_are_named(
    sentry: FakeSentryApi, environ: dict[str, str], code: int, expected: str
) -> None:
    done = alerts(sentry, "plan", **environ)
    assert (done.code, expected in done.text) == (code, True), done.text
    assert "error" in alerts(sentry, "plan", "--json", **environ).json


@pytest.mark.parametrize(
    "arguments", [(), ("alerts",), ("railway",), ("check",), ("send-test",), ("release",)]
)
def test_help_explains_each_command(arguments: tuple[str, ...]) -> None:
    done = ops_command(*arguments, "--help")
    assert done.code == 0
    assert "Usage" in done.text


def in_a_process(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the module in an empty folder: the project's own may have a `.env` file."""
    return subprocess.run(
        [sys.executable, "-m", "app.observability", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_the_module_starts_as_a_program_without_colours_in_a_pipe(
    sentry: FakeSentryApi, tmp_path: Path
) -> None:
    done = in_a_process(
        tmp_path,
        "alerts",
        "plan",
        "--file",
        FILE,
        SENTRY_ORG=ORG,
        SENTRY_PROJECT=PROJECT,
        SENTRY_AUTH_TOKEN=USER_TOKEN,
        SENTRY_URL=sentry.url,
    )
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert USER_TOKEN not in done.stdout + done.stderr


def test_send_test_sends_one_of_each_and_links_it(sentry: FakeSentryApi, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    done = in_a_process(
        tmp_path,
        "send-test",
        SENTRY_DSN=sentry.dsn,
        SENTRY_ORG=ORG,
        SENTRY_ENVIRONMENT="staging",
        SENTRY_SPOOL_DIR=str(spool),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in ("error", "transaction", "log", "metric"):
        line = next(line for line in done.stdout.splitlines() if line.startswith(kind))
        assert "accepted" in line
        assert f"{sentry.url}/organizations/{ORG}/" in line
    sent = b"\n".join(sentry.envelopes)
    for item in (b'"type":"event"', b'"type":"transaction"', b'"type":"log"', b'"type":"trace_metric"'):
        assert item in sent
    assert "-".join(("made", "up", "for", "this", "test")).encode() not in sent
    assert b'"environment":"staging"' in sent
    assert not spool.exists()
    assert PUBLIC_KEY not in done.stdout


def test_send_test_says_what_sentry_refused(sentry: FakeSentryApi, tmp_path: Path) -> None:
    sentry.envelope_status = 403
    done = in_a_process(tmp_path, "send-test", "--wait", "3", SENTRY_DSN=sentry.dsn)
    assert done.returncode == 1
    assert "accepted" not in done.stdout
    assert "error       refused   Sentry refused it for good" in done.stdout


def test_send_test_sends_while_sentry_is_off_and_leaves_out_metrics_that_are_off(
    sentry: FakeSentryApi, tmp_path: Path
) -> None:
    off = {"SENTRY_ENABLED": "false", "SENTRY_ENABLE_METRICS": "false"}
    done = in_a_process(tmp_path, "send-test", SENTRY_DSN=sentry.dsn, **off)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "metric      off       SENTRY_ENABLE_METRICS is false." in done.stdout
    assert done.stdout.count("accepted") == 3


def test_send_test_promises_nothing_while_sentry_is_down(tmp_path: Path) -> None:
    dsn = f"http://{PUBLIC_KEY}@127.0.0.1:1/1"
    done = in_a_process(tmp_path, "send-test", "--wait", "1", SENTRY_DSN=dsn)
    assert done.returncode == 1
    assert "Sentry could not be reached. Nothing of this test is kept" in done.stdout
    assert "sent later" not in done.stdout + done.stderr


def test_send_test_says_what_is_wrong_with_the_dsn_even_while_sentry_is_off(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "send-test", SENTRY_DSN="garbage", SENTRY_ENABLED="false")
    assert (done.returncode, "SENTRY_DSN is not a DSN" in done.stderr) == (2, True)


def test_send_test_without_a_dsn_is_wrong_use(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "send-test")
    assert (done.returncode, "SENTRY_DSN must be set" in done.stderr) == (2, True)


@pytest.mark.parametrize("url", ["http://[::1", "https://sentry.io:abc"])
def test_send_test_sends_nothing_while_the_address_for_its_links_is_wrong(
    sentry: FakeSentryApi, tmp_path: Path, url: str
) -> None:
    done = in_a_process(tmp_path, "send-test", SENTRY_DSN=sentry.dsn, SENTRY_ORG=ORG, SENTRY_URL=url)
    assert (done.returncode, "SENTRY_URL must be" in done.stderr) == (2, True), done.stderr
    assert sentry.envelopes == []


def test_what_no_command_expects_is_one_sentence_without_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LookupError(USER_TOKEN)

    monkeypatch.setattr("app.observability.ops.cli.look_around", fail)
    monkeypatch.setattr("app.observability.ops.cli.load_dotenv", lambda _: True)
    monkeypatch.setattr(sys, "argv", ["ops", "check"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = str(ended.value.code)
    assert "LookupError" in said
    assert USER_TOKEN not in said + capsys.readouterr().err


def test_a_dotenv_file_that_is_no_text_is_named_and_stops_no_release(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("SENTRY_ORG=größe".encode("latin-1"))
    done = in_a_process(tmp_path, "release")
    assert (done.returncode, ".env can't be read" in done.stderr) == (0, True), done.stderr
    assert "Traceback" not in done.stderr


def test_variables_of_a_dotenv_file_are_read_as_the_service_reads_them(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SENTRY_TRACES_SAMPLE_RATE=0.25\nSENTRY_SLOW_QUERY_MS=9\n")
    done = in_a_process(tmp_path, "check", "--offline", "--json", SENTRY_SLOW_QUERY_MS="7")
    variables = json.loads(done.stdout)["variables"]
    assert variables["SENTRY_TRACES_SAMPLE_RATE"]["value"] == "0.25"
    assert variables["SENTRY_SLOW_QUERY_MS"]["value"] == "7"


def test_migrate_keeps_the_variables_that_the_example_beside_the_deployment_names(tmp_path: Path) -> None:
    (tmp_path / "railway.json").write_text("{}")
    (tmp_path / ".env.example").write_text("# Level.\nLOG_LEVEL=info\nOTHER=\n")
    done = ops_command(
        "railway",
        "migrate",
        "--file",
        str(tmp_path / "railway.json"),
        "--variable",
        "MINE",
        LOG_LEVEL="debug",
    )
    assert "LOG_LEVEL: preserve()" in done.text
    assert "MINE: preserve()" in done.text
    assert "OTHER" not in done.text


@pytest.mark.parametrize(
    "arguments", [("alerts", "validate"), ("alerts", "plan"), ("alerts", "apply"), ("railway", "migrate")]
)
def test_a_file_that_does_not_exist_is_wrong_use(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = ops_command(*arguments, "--file", str(tmp_path / "nowhere"))
    assert (done.code, "nowhere" in done.text) == (2, True)


@pytest.mark.parametrize("module", ["typer", "httpx"])
def test_a_missing_package_is_named_in_a_sentence(tmp_path: Path, module: str) -> None:
    # A finder that knows no such module, as where it is not installed.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    done = in_a_process(tmp_path, "--help", PYTHONPATH=os.pathsep.join((str(tmp_path), str(ROOT))))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"The command line needs the package {module}: pip install {module}\n"


def test_migrate_prints_what_ships() -> None:
    for language in ("ts", "py"):
        done = ops_command("railway", "migrate", "--lang", language, "--file", str(ROOT / "railway.json"))
        assert done.text == (ROOT / "deploy" / f"railway.{language}").read_text(encoding="utf-8")
