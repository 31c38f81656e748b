"""The project's own files agree with each other and name nothing of the machine they were written on."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from app.observability.ops.check.versions import TESTED
from app.observability.version import __version__

PROJECT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())
LOCK_FILES = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-lowest.txt",
    "tools/bugsink/requirements.txt",
)
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)", re.MULTILINE)

# Assembled, so that this file does not find itself.
MACHINE_PATHS = ("/" + "work/", "/" + "root/", "/" + "tmp/plan", "/" + "home/")
REGISTRY_HOSTS = ("pypi." + "org", "files.python" + "hosted", "registry." + "npmjs", "deb." + "debian")


def pins(file: str) -> dict[str, Version]:
    text = (PROJECT / file).read_text()
    return {canonicalize_name(found["name"]): Version(found["version"]) for found in PINNED.finditer(text)}


def wanted(*, with_dev: bool) -> list[Requirement]:
    project = PYPROJECT["project"]
    names: list[str] = project["dependencies"] + (project["optional-dependencies"]["dev"] if with_dev else [])
    return [Requirement(name) for name in names]


def bounds(requirement: Requirement) -> dict[str, str]:
    return {each.operator: each.version for each in requirement.specifier}


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git work tree, so nothing says which files belong to the project")
    return [PROJECT / name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]


def test_pyproject_and_the_module_tell_the_same_version() -> None:
    assert PYPROJECT["project"]["version"] == __version__


@pytest.mark.parametrize(
    ("file", "with_dev"),
    [("requirements.txt", False), ("requirements-dev.txt", True), ("requirements-lowest.txt", True)],
)
def test_each_requirement_is_pinned_inside_its_range(file: str, with_dev: bool) -> None:
    pinned = pins(file)
    for requirement in wanted(with_dev=with_dev):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{file} lacks {requirement.name}: run `make lock`"
        assert version in requirement.specifier, f"{file} pins {requirement.name} {version}: run `make lock`"


def test_tests_run_on_the_very_versions_that_the_service_runs_on() -> None:
    at_run_time, for_tests = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {name: for_tests.get(name) for name in at_run_time} == at_run_time


def test_the_lowest_versions_that_are_tested_are_the_lowest_that_are_allowed() -> None:
    pinned = pins("requirements-lowest.txt")
    for requirement in wanted(with_dev=False):
        lowest = Version(bounds(requirement)[">="])
        assert pinned[canonicalize_name(requirement.name)] == lowest, f"{requirement}: run `make lock`"


def test_check_names_the_versions_that_the_tests_run_on() -> None:
    newest = pins("requirements-dev.txt")
    for requirement in wanted(with_dev=False):
        name = canonicalize_name(requirement.name)
        said = TESTED[name]
        assert bounds(requirement) == {">=": said.lowest, "<": said.end}, name
        series = Version(said.newest).release
        assert newest[name].release[: len(series)] == series, f"{name} {newest[name]} is not in TESTED"
    assert TESTED.keys() == {"python", *(canonicalize_name(each.name) for each in wanted(with_dev=False))}
    assert PYPROJECT["project"]["requires-python"] == f">={TESTED['python'].lowest}"


@pytest.mark.parametrize("file", LOCK_FILES)
def test_each_pin_has_a_hash(file: str) -> None:
    blocks = re.split(r"\n(?=\S)", (PROJECT / file).read_text())
    pinned = [block for block in blocks if PINNED.match(block)]
    assert pinned
    assert [block.splitlines()[0] for block in pinned if "--hash=sha256:" not in block] == []


def test_no_tracked_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    found = []
    for path in tracked_files():
        text = path.read_text(errors="replace")
        found += [
            f"{path.relative_to(PROJECT)}: {word}"
            for word in (*MACHINE_PATHS, *REGISTRY_HOSTS)
            if word in text
        ]
    assert found == []


def test_make_help_lists_every_target() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    command = ["make", "--no-print-directory", "help"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    shown = subprocess.run(
        command, cwd=PROJECT, env=outside, capture_output=True, text=True, check=True
    ).stdout
    assert targets == set(phony[1].split() if phony else [])
    assert {line.split()[1] for line in shown.splitlines() if line.strip()} == targets


@pytest.mark.parametrize("package", ["app", "app.observability"])
def test_each_module_has_its_place_in_the_import_contracts(package: str) -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    layers = next(each for each in contracts if each.get("containers") == [package])
    placed = {name.strip("() ") for line in layers["layers"] for name in re.split(r"[|:]", line)}
    folder = PROJECT / package.replace(".", "/")
    modules = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    assert modules - {"__init__"} - placed == set()
    assert layers["exhaustive"] is True


def test_lint_and_type_rules_are_the_strict_ones() -> None:
    tools = PYPROJECT["tool"]
    assert tools["mypy"]["strict"] is True
    assert {"--strict-config", "--strict-markers"} <= set(tools["pytest"]["ini_options"]["addopts"])
    assert tools["pytest"]["ini_options"]["filterwarnings"][0] == "error"
