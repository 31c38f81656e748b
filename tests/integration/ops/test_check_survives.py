"""`check` says everything it can whatever is wrong: one fault hides no other, and none is a traceback."""

import json
from pathlib import Path

import pytest

from app.observability.ops.check import run
from tests.support.ops_command import Ran, ops_command

DSN = "https://" + "a1b2c3d4" + "@sentry.invalid/1"


def check(root: Path, **environ: str) -> Ran:
    return ops_command("check", "--offline", "--root", str(root), "--json", **environ)


def codes(done: Ran) -> set[str]:
    return {finding["code"] for finding in done.json["findings"]}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("Procfile", "web: größe".encode("latin-1"), "procfile.unreadable"),
        (".env", "SENTRY_ORG=größe".encode("latin-1"), "dotenv.unreadable"),
        ("railway.json", b"\xff", "railway.unreadable"),
        (
            "railway.json",
            b'{"deploy": {"multiRegionConfig": {"eu": {"numReplicas": "x"}, "us": 5}}}',
            "railway.not-a-number",
        ),
        ("railway.json", b'{"deploy": {"numReplicas": "3"}}', "railway.not-a-number"),
        ("railway.json", b'{"deploy": {"preDeployCommand": 5}}', "railway.not-a-list"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_a_finding(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    (tmp_path / name).write_bytes(content)
    done = check(tmp_path)
    assert (done.code, code in codes(done), "check.failed" in codes(done)) == (1, True, False), done.text


def test_a_root_that_does_not_exist_is_wrong_use(tmp_path: Path) -> None:
    assert check(tmp_path / "nowhere").code == 2


def test_one_wrong_variable_hides_neither_the_table_nor_the_other_checks(tmp_path: Path) -> None:
    (tmp_path / "railway.json").write_text(json.dumps({"deploy": {"preDeployCommand": "make"}}))
    done = check(
        tmp_path,
        SENTRY_TRACES_SAMPLE_RATE="2",
        SENTRY_DSN=DSN,
        SENTRY_ORG="my company",
        SENTRY_TRACE_RATE="1",
    )
    variables = done.json["variables"]
    assert len(variables) == len(run.resolved(run.look_around(tmp_path)))
    assert variables["SENTRY_TRACES_SAMPLE_RATE"] == {"value": run.WRONG, "origin": "set"}
    assert variables["SENTRY_ORG"] == {"value": run.WRONG, "origin": "set"}
    assert variables["SENTRY_DSN"] == {"value": "(set)", "origin": "set"}
    assert variables["SENTRY_RELEASE"]["value"] == "-"
    assert {"settings.wrong", "settings.unknown", "railway.not-a-list", "api.wrong"} <= codes(done)
    assert "does not start" in done.json["facts"]["mode"]
    assert "a1b2c3d4" not in done.text


def test_a_fault_that_sleeps_while_sentry_is_off_is_told(tmp_path: Path) -> None:
    done = check(tmp_path, SENTRY_ENABLED="false", SENTRY_DSN="garbage")
    assert (done.code, "settings.sleeping" in codes(done)) == (1, True)
    assert done.json["variables"]["SENTRY_DSN"]["value"] == run.WRONG
    assert "settings.sleeping" not in codes(check(tmp_path, SENTRY_ENABLED="false"))


@pytest.mark.parametrize(
    ("environ", "mode", "enabled", "has_locals"),
    [
        ({}, "local", "not set, mode local", "true"),
        ({"SENTRY_ENVIRONMENT": "production"}, "off", "not set, mode off", "false"),
        ({"SENTRY_ENABLED": "false"}, "off", "false", "true"),
        ({"SENTRY_ENABLED": "true", "SENTRY_DSN": DSN}, "live", "true", "true"),
        ({"SENTRY_INCLUDE_LOCALS": "no"}, "local", "not set, mode local", "false"),
    ],
)
def test_the_mode_and_what_really_holds_are_shown(
    tmp_path: Path, environ: dict[str, str], mode: str, enabled: str, has_locals: str
) -> None:
    done = check(tmp_path, **environ).json
    assert done["facts"]["mode"].startswith(f"{mode}, ")
    assert done["variables"]["SENTRY_ENABLED"]["value"] == enabled
    assert done["variables"]["SENTRY_INCLUDE_LOCALS"]["value"] == has_locals


def test_a_spool_folder_that_can_not_even_be_looked_at_is_a_finding(tmp_path: Path) -> None:
    done = check(tmp_path, SENTRY_ENABLED="true", SENTRY_DSN=DSN, SENTRY_SPOOL_DIR=f"{tmp_path}/{'x' * 300}")
    assert "spool.read-only" in codes(done)


def test_a_proxy_that_is_none_is_a_finding(tmp_path: Path) -> None:
    environ = {"SENTRY_ENABLED": "true", "SENTRY_DSN": DSN, "HTTPS_PROXY": "ftp://proxy.invalid"}
    done = ops_command("check", "--root", str(tmp_path), "--json", **environ)
    assert "sentry.unreachable" in codes(done)


def test_a_check_that_fails_is_a_finding_and_the_others_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> list[object]:
        raise LookupError("a secret")

    monkeypatch.setattr(run, "ALL", (broken, *run.ALL))
    done = check(tmp_path, SENTRY_TRACE_RATE="1")
    assert {"check.failed", "settings.unknown"} <= codes(done)
    assert "a secret" not in done.text
