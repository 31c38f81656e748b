"""What the README shows is what the service does."""

import ast
import json
import re
import shlex
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from fastapi import FastAPI
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.observability import ObservabilitySettings
from app.observability.ops.settings import OpsSettings
from app.observability.requestdata import HEADERS
from tests.support.observability import client_of, local_sentry

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()


@pytest.mark.anyio
async def test_the_example_answer_of_the_test_page_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENTRY_RELEASE", raising=False)
    app = FastAPI()
    with local_sentry(app):
        async with client_of(app) as client:
            report = (await client.get("/test-sentry")).json()
    shown = re.search(r"<!-- example: /test-sentry -->\n```json\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    example = json.loads(shown.group(1))
    assert re.fullmatch("[0-9a-f]{32}", example["event_id"])
    assert example | {"event_id": report["event_id"]} == report


def test_every_variable_that_the_readme_names_exists() -> None:
    fields = [*ObservabilitySettings.model_fields, *OpsSettings.model_fields]
    known = {f"SENTRY_{name.upper()}" for name in fields}
    assert set(re.findall(r"`(SENTRY_[A-Z_0-9]+)", README)) <= known


def test_every_file_that_the_readme_names_exists() -> None:
    for path in re.findall(r"`(app/[\w/.]+)`", README):
        assert (PROJECT / path).exists(), path


def test_the_start_command_is_the_same_everywhere() -> None:
    command = json.loads((PROJECT / "railway.json").read_text())["deploy"]["startCommand"]
    assert f"\n{command}\n" in README
    assert (PROJECT / "Procfile").read_text().strip() == f"web: {command}"


@pytest.mark.parametrize(
    "name", ["authorization", "cookie", "set-cookie", "x-api-key", "x-forwarded-for", "x-real-ip"]
)
def test_no_header_that_the_readme_calls_dropped_is_on_the_allow_list(name: str) -> None:
    assert name not in HEADERS


def test_every_signal_names_a_test_that_exists() -> None:
    table = README[README.index("| signal | in Sentry |") : README.index("## What leaves the process")]
    rows = [line for line in table.splitlines()[2:] if line.startswith("|")]
    assert rows
    for row in rows:
        named = re.findall(r"`([\w/]+(?:\.py|/))`", row.rsplit(" | ", 1)[-1])
        assert named, row
        for path in named:
            folders = (PROJECT / "tests" / part for part in ("", "integration", "unit"))
            assert any((folder / path).exists() for folder in folders), path


def test_the_readme_installs_what_a_copy_of_the_module_imports_in_the_lowest_versions() -> None:
    [line] = re.findall(r"^pip install (.+)$", README, re.MULTILINE)
    said = {Requirement(each) for each in shlex.split(line)}
    dependencies = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    lowest = {
        each.name: f"{each.name}>={bound.version}"
        for each in map(Requirement, dependencies)
        for bound in each.specifier
        if bound.operator == ">="
    }
    needed = imported_distributions(PROJECT / "app" / "observability") & lowest.keys()
    assert "sqlalchemy" in needed
    assert said == {Requirement(lowest[name]) for name in needed - {"sqlalchemy"}}
    series = ".".join(lowest["sqlalchemy"].partition(">=")[2].split(".")[:2])
    assert f"A service with a database also needs SQLAlchemy {series}." in README


def imported_distributions(folder: Path) -> set[str]:
    """Names of the packages that must be installed for all imports in a folder to work."""
    modules = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    owners = packages_distributions()
    return {canonicalize_name(owner) for module in modules for owner in owners.get(module, ())}
