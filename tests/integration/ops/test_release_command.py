"""`release` tells Sentry what is deployed, once, in the right order, and never stands in a deployment's way."""

from collections.abc import Iterator

import pytest

from app.observability.settings import ObservabilitySettings
from app.observability.version import PACKAGE, __version__
from tests.support.fake_sentry_api import ORG, ORG_TOKEN, PROJECT, FakeSentryApi
from tests.support.ops_command import Ran, ops_command
from tests.support.sentry_schema import schema_errors

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VERSION = f"{PACKAGE}@{__version__}+{COMMIT[:12]}"
RAILWAY = {
    "RAILWAY_DEPLOYMENT_ID": "6f1d0a52-1c0e-4b0f-9c54-0d5f1c1f6f11",
    "RAILWAY_ENVIRONMENT_NAME": "production",
    "RAILWAY_GIT_COMMIT_SHA": COMMIT,
    "RAILWAY_GIT_REPO_OWNER": "acme",
    "RAILWAY_GIT_REPO_NAME": "streamapi",
    "RAILWAY_GIT_COMMIT_MESSAGE": "Fixes STREAMAPI-7, password=" + "hunter" + "2hunter2",
    "RAILWAY_GIT_AUTHOR": "Ada",
    "RAILWAY_PUBLIC_DOMAIN": "api.example.com",
}


@pytest.fixture
def sentry() -> Iterator[FakeSentryApi]:
    with FakeSentryApi() as fake:
        yield fake


def ran(sentry: FakeSentryApi, *options: str, **environ: str) -> Ran:
    token = {
        "SENTRY_ORG": ORG,
        "SENTRY_PROJECT": PROJECT,
        "SENTRY_AUTH_TOKEN": ORG_TOKEN,
        "SENTRY_URL": sentry.url,
    }
    return ops_command("release", *options, **{**token, **RAILWAY, **environ})


def test_release_commit_date_and_deploy_are_told_in_this_order(sentry: FakeSentryApi) -> None:
    sentry.linked_repositories.add("acme/streamapi")
    done = ran(sentry)
    assert (done.code, VERSION in done.text) == (0, True)
    release, deploys = f"/releases/{VERSION}/", f"/releases/{VERSION}/deploys/"
    paths = [(call.method, call.path.removeprefix(f"/api/0/organizations/{ORG}")) for call in sentry.calls]
    assert paths == [
        ("GET", deploys),
        ("POST", "/releases/"),
        ("PUT", release),
        ("PUT", release),
        ("POST", deploys),
    ]
    found = sentry.releases[VERSION]
    assert found["projects"] == [PROJECT]
    assert found["refs"] == [{"repository": "acme/streamapi", "commit": COMMIT}]
    assert found["dateReleased"]
    (deploy,) = sentry.deploys[VERSION]
    assert (deploy["environment"], deploy["name"]) == ("production", RAILWAY["RAILWAY_DEPLOYMENT_ID"])
    assert deploy["url"] == "https://api.example.com"


def test_what_is_sent_is_valid_by_sentrys_own_schema(sentry: FakeSentryApi) -> None:
    ran(sentry)
    organization = "/api/0/organizations/{organization_id_or_slug}"
    for call in sentry.writes():
        path = {"POST": f"{organization}/releases/", "PUT": f"{organization}/releases/{{version}}/"}[
            call.method
        ]
        if call.path.endswith("/deploys/"):
            path = f"{organization}/releases/{{version}}/deploys/"
        assert schema_errors(call.method, path, call.body) == []


def test_the_release_is_the_one_that_the_service_reports(
    sentry: FakeSentryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RAILWAY.items():
        monkeypatch.setenv(name, value)
    ran(sentry)
    assert list(sentry.releases) == [ObservabilitySettings().release]
    monkeypatch.setenv("SENTRY_RELEASE", "v1.0.0")
    ran(sentry, SENTRY_RELEASE="v1.0.0")
    assert ObservabilitySettings().release in sentry.releases


def test_running_it_twice_changes_nothing(sentry: FakeSentryApi) -> None:
    ran(sentry)
    before = len(sentry.writes())
    assert "known to Sentry already" in ran(sentry).text
    assert len(sentry.writes()) == before
    assert len(sentry.deploys[VERSION]) == 1


def test_a_second_deployment_of_the_same_release_adds_a_deploy_only(sentry: FakeSentryApi) -> None:
    ran(sentry)
    released = sentry.releases[VERSION]["dateReleased"]
    ran(sentry, RAILWAY_DEPLOYMENT_ID="another")
    assert len(sentry.deploys[VERSION]) == 2
    assert sentry.releases[VERSION]["dateReleased"] == released


def test_without_the_github_link_the_commit_is_named_by_hand_and_scrubbed(sentry: FakeSentryApi) -> None:
    assert "is not linked" in ran(sentry).text
    (commit,) = sentry.releases[VERSION]["commits"]
    assert (commit["id"], commit["repository"], commit["author_name"]) == (COMMIT, "acme/streamapi", "Ada")
    assert "Fixes STREAMAPI-7" in commit["message"]
    assert "hunter" not in commit["message"]


def test_without_git_only_release_and_deploy_are_told(sentry: FakeSentryApi) -> None:
    for name in ("RAILWAY_GIT_COMMIT_SHA", "RAILWAY_GIT_REPO_OWNER", "RAILWAY_GIT_REPO_NAME"):
        ran(sentry, **{name: ""})
    assert "commits" not in sentry.releases[f"{PACKAGE}@{__version__}"]


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_is_one_line_and_no_obstacle(sentry: FakeSentryApi, status: int) -> None:
    sentry.fail("POST", "/releases/", status)
    done = ran(sentry)
    assert done.code == 0
    assert done.text.startswith("Sentry was not told about this release: ")
    assert done.text.count("\n") == 1
    assert ORG_TOKEN not in done.text
    sentry.fail("POST", "/releases/", status)
    assert ran(sentry, "--strict").code == 1


def test_a_deploy_that_failed_is_told_next_time_without_repeating_the_rest(sentry: FakeSentryApi) -> None:
    sentry.fail("POST", "/deploys/", 500)
    ran(sentry)
    assert VERSION not in sentry.deploys
    ran(sentry)
    assert len(sentry.deploys[VERSION]) == 1


def test_a_sentry_that_is_down_is_no_obstacle() -> None:
    with FakeSentryApi() as gone:
        pass
    done = ran(gone)
    assert (done.code, done.text.count("\n")) == (0, 1)
    assert "can't be reached" in done.text


def test_missing_variables_are_no_obstacle_but_named(sentry: FakeSentryApi) -> None:
    done = ran(sentry, SENTRY_AUTH_TOKEN="")
    assert (done.code, "SENTRY_AUTH_TOKEN must be set" in done.text) == (0, True)
    assert ran(sentry, "--strict", SENTRY_AUTH_TOKEN="").code == 1


def test_wrong_settings_of_the_service_are_no_obstacle(sentry: FakeSentryApi) -> None:
    done = ran(sentry, SENTRY_RELEASE="a/b")
    assert (done.code, "SENTRY_RELEASE" in done.text) == (0, True)


def test_json_says_the_same(sentry: FakeSentryApi) -> None:
    assert ran(sentry, "--json").json == {
        "release": VERSION,
        "steps": [
            f"release {VERSION}",
            f"commit {COMMIT} alone (acme/streamapi is not linked to Sentry)",
            "finalized",
            "deploy to production",
        ],
        "error": None,
    }
    sentry.fail("GET", "/deploys/", 500, times=3)
    assert "500" in ran(sentry, "--json").json["error"]


@pytest.mark.parametrize(
    "environ",
    [
        {"SENTRY_URL": "http://[::1"},
        {"SENTRY_URL": "https://sentry.io:abc"},
        {"SENTRY_URL": "https://sentry.io/api/0"},
        {"SENTRY_AUTH_TOKEN": "sntrys_" + "ключ"},
        {"SENTRY_ORG": "my company"},
        {"SENTRY_URL": "", "SENTRY_ENABLED": "false", "SENTRY_DSN": "htps://k@sentry.example.com/1"},
    ],
    ids=lambda environ: next(iter(environ)),
)
def test_a_wrong_variable_is_a_sentence_and_fails_a_deployment_only_with_strict(
    sentry: FakeSentryApi, environ: dict[str, str]
) -> None:
    done = ran(sentry, **environ)
    assert (done.code, "Sentry was not told about this release: SENTRY_" in done.text) == (0, True), done.text
    assert "ключ" not in done.text
    assert ran(sentry, "--strict", **environ).code == 1
    assert sentry.calls == []


def test_whatever_happens_a_release_does_not_stop_a_deployment(
    sentry: FakeSentryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError(ORG_TOKEN)

    monkeypatch.setattr("app.observability.ops.cli.announce", fail)
    done = ran(sentry)
    assert (done.code, "LookupError" in done.text, ORG_TOKEN in done.text) == (0, True, False)
    assert ran(sentry, "--strict").code == 1
