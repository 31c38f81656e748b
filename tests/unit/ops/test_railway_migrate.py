"""railway.json and both files of the format that follows it describe one deployment."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.observability.ops.railway import (
    OWN_VARIABLES,
    Service,
    as_python,
    as_typescript,
    known_from,
    read_config,
    service_from,
)
from app.observability.ops.settings import OpsConfigError
from tests.support.sentry_schema import railway_errors

ROOT = Path(__file__).parents[3]
CONFIG = read_config(ROOT / "railway.json")
EVERYTHING = Service(
    project="my project",
    name='the "service"',
    config={
        "build": {
            "builder": "RAILPACK",
            "watchPatterns": ["app/**", "*.toml"],
            "buildCommand": 'echo "hi" && make',
        },
        "deploy": {
            **CONFIG["deploy"],
            "preDeployCommand": ["python -m app.observability release"],
            "numReplicas": 2,
            "sleepApplication": False,
            "cronSchedule": None,
        },
    },
    variables=("DATABASE_URL", "SENTRY_DSN"),
    repository="acme/api",
    branch="release",
    volume="spool",
    mount_path="/data",
)
CASES = [service_from(CONFIG, environ={}), EVERYTHING]


def python_graph(text: str, tmp_path: Path) -> Any:
    pytest.importorskip("railway_sdk", reason="railway-sdk, a development dependency, is not installed")
    path = tmp_path / "railway.py"
    path.write_text(text, encoding="utf-8")
    namespace: dict[str, Any] = {}
    exec(compile(text, str(path), "exec"), namespace)  # noqa: S102  our own text, which Railway's tool runs as well
    assert namespace["PARTIAL"]
    return namespace["main"]().to_graph()


def typescript_graph(text: str) -> Any:
    """Read the file by its shape alone: the arguments of service(), github(), volume() and project()."""
    assert re.search(r'^export const partial = ".+";$', text, re.MULTILINE)
    call = re.search(r"const app = service\((\"[^\n]*\"), (\{\n.*\n  \})\);", text, re.DOTALL)
    assert call is not None
    arguments = call[2].replace("preserve()", '{"type": "preserve"}').replace(": data", ': "data"')
    arguments = re.sub(r"github\((.*), \{ branch: (.*) \}\)", r'{"repo": \1, "branch": \2}', arguments)
    arguments = re.sub(r"^(\s*)(\w+):", r'\1"\2":', arguments, flags=re.MULTILINE)
    project = re.search(r"return project\((\".*\"), \{ resources: \[app(, data)?\] \}\);", text)
    assert project is not None
    return {"project": json.loads(project[1]), "name": json.loads(call[1]), **json.loads(arguments)}


def deployment(node: dict[str, Any]) -> dict[str, Any]:
    """Return build and deploy as railway.json writes them."""
    deploy = dict(node.get("deploy") or {})
    renamed = {
        "start": "startCommand",
        "preDeploy": "preDeployCommand",
        "healthcheck": "healthcheckPath",
        "healthcheckTimeout": "healthcheckTimeout",
        "replicas": "numReplicas",
    }
    deploy |= {old: node[new] for new, old in renamed.items() if new in node}
    return {"build": node["build"], "deploy": deploy}


def expected(service: Service) -> dict[str, Any]:
    return {
        key: {name: value for name, value in service.config[key].items() if value is not None}
        for key in ("build", "deploy")
    }


@pytest.mark.parametrize("service", CASES, ids=["ours", "everything"])
def test_the_python_file_describes_the_deployment_of_railway_json(service: Service, tmp_path: Path) -> None:
    graph = python_graph(as_python(service), tmp_path)
    node = graph["resources"][0]
    assert {"build": node["build"], "deploy": node["deploy"]} == expected(service)
    assert (graph["name"], node["name"]) == (service.project, service.name)
    assert node["variables"] == {name: {"type": "preserve"} for name in service.variables}
    if service.repository:
        assert node["source"] == {"type": "github", "repo": service.repository, "branch": service.branch}
        assert node["volumeAttachments"]["spool"]["mountPath"] == "/data"


@pytest.mark.parametrize("service", CASES, ids=["ours", "everything"])
def test_the_typescript_file_describes_the_deployment_of_railway_json(service: Service) -> None:
    node = typescript_graph(as_typescript(service))
    assert deployment(node) == expected(service)
    assert (node["project"], node["name"]) == (service.project, service.name)
    assert node["env"] == {name: {"type": "preserve"} for name in service.variables}
    if service.repository:
        assert node["source"] == {"repo": service.repository, "branch": service.branch}
        assert node["volumeMounts"] == {"/data": "data"}


STAND_IN = """
const node = (name, config) => ({ name, ...config });
export const defineRailway = (program) => program;
export const service = node, volume = node;
export const project = (name, config) => ({ name, ...config });
export const preserve = () => ({ type: "preserve" });
export const github = (repo, options) => ({ repo, ...options });
"""


@pytest.mark.parametrize("service", CASES, ids=["ours", "everything"])
def test_node_runs_the_typescript_file(service: Service, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; the file is read by its shape in another test")
    real = ROOT / "node_modules" / "railway"
    package = tmp_path / "node_modules" / "railway"
    package.parent.mkdir()
    if real.is_dir():
        package.symlink_to(real)
    else:
        package.mkdir()
        (package / "package.json").write_text('{"type": "module", "exports": {"./iac": "./iac.js"}}')
        (package / "iac.js").write_text(STAND_IN)
    # Our file uses no types, so that it is JavaScript as well: an old node reads it too.
    (tmp_path / "railway.mjs").write_text(as_typescript(service), encoding="utf-8")
    script = (
        'import("./railway.mjs").then(async (file) => '
        'console.log(JSON.stringify(await file.default({ environment: "production" }))))'
    )
    done = subprocess.run(
        [node, "-e", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    graph = json.loads(done.stdout)
    found = graph["resources"][0]
    assert deployment(found) == expected(service)
    assert graph["name"] == service.project


@pytest.mark.parametrize(("name", "write"), [("railway.py", as_python), ("railway.ts", as_typescript)])
def test_the_files_that_ship_are_what_the_command_prints(name: str, write: Any) -> None:
    assert (ROOT / "deploy" / name).read_text(encoding="utf-8") == write(service_from(CONFIG, environ={}))


def test_the_default_path_is_free_as_long_as_railway_json_is_there() -> None:
    assert not (ROOT / ".railway").exists()
    assert railway_errors(CONFIG) == []


def test_names_come_from_railway_and_values_of_variables_never_show() -> None:
    environ = {
        "RAILWAY_PROJECT_NAME": "shop",
        "RAILWAY_SERVICE_NAME": "api",
        "RAILWAY_GIT_REPO_OWNER": "acme",
        "RAILWAY_GIT_REPO_NAME": "api",
        "RAILWAY_GIT_BRANCH": "main",
        "RAILWAY_VOLUME_NAME": "vol",
        "RAILWAY_VOLUME_MOUNT_PATH": "/data",
        "SENTRY_DSN": "https://" + "k" * 32 + "@sentry.invalid/1",
        "DATABASE_URL": "postgres://u:" + "hidden" + "@db/x",
        "HOME": "/root",
    }
    service = service_from(CONFIG, ("EXTRA",), environ)
    assert (service.project, service.name, service.repository) == ("shop", "api", "acme/api")
    assert service.variables == ("DATABASE_URL", "EXTRA", "SENTRY_DSN")
    for text in (as_python(service), as_typescript(service)):
        assert "hidden" not in text
        assert "kkkk" not in text
        assert "HOME" not in text


def test_without_railways_variables_the_usual_ones_are_kept() -> None:
    assert service_from(CONFIG, environ={}).variables == OWN_VARIABLES
    with_one = service_from(CONFIG, environ={"SENTRY_ORG": "acme"})
    assert with_one.variables == tuple(sorted((*OWN_VARIABLES, "SENTRY_ORG")))


def test_every_variable_of_the_example_and_every_switch_that_is_set_is_kept() -> None:
    known = known_from(ROOT / ".env.example")
    assert {"PORT", "LOG_LEVEL", "UPSTREAM_TIMEOUT_S", "SENTRY_DSN"} <= set(known)
    kept = dict.fromkeys((*known, "RAILWAY_DEPLOYMENT_DRAINING_SECONDS", "RAILWAY_RUN_UID"), "1")
    environ = {**kept, "RAILWAY_PROJECT_NAME": "shop", "RAILWAY_DEPLOYMENT_ID": "1", "HOME": "/root"}
    assert service_from(CONFIG, environ=environ, known=known).variables == tuple(sorted(kept))


def test_without_an_example_nothing_more_is_known(tmp_path: Path) -> None:
    assert known_from(tmp_path / ".env.example") == ()


def test_overrides_for_single_environments_are_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "railway.json"
    path.write_text('{"environments": {"pr": {}}}')
    with pytest.raises(OpsConfigError, match="by hand"):
        read_config(path)
    path.write_text("[")
    with pytest.raises(OpsConfigError, match="can't be read"):
        read_config(path)
