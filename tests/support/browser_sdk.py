"""The fixture `browser_sdk`: the real @sentry/browser as one script, the way a front end's bundler makes it.

Built once, in a folder beside the project, from pinned packages of npm; nothing of it is part of the project.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .requirements import is_missing

PACKAGES = {"@sentry/browser": "11.12.0", "esbuild": "0.28.2"}
ENTRY = 'import * as Sentry from "@sentry/browser"; globalThis.Sentry = Sentry;\n'
TIMEOUT_S = 100


def cache_folder() -> Path:
    """Return the folder for these very versions: $STREAMAPI_CACHE, else the user's cache folder."""
    base = os.environ.get("STREAMAPI_CACHE") or Path.home() / ".cache" / "streamapi"
    return Path(base) / "-".join(["browser-sdk", *PACKAGES.values()])


def build_browser_sdk() -> Path:
    """Return the built script, making it first if it is not there.

    Raises:
        OSError: There is no npm, or no room.
        subprocess.SubprocessError: npm or the bundler failed or took too long.
    """
    folder = cache_folder()
    built = folder / "sentry.js"
    if built.exists():
        return built
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("there is no npm")
    folder.mkdir(parents=True, exist_ok=True)
    package = {"private": True, "license": "UNLICENSED", "dependencies": PACKAGES}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "entry.js").write_text(ENTRY)
    # without scripts: what the bundler needs comes as a package of its own
    _run([npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"], folder)
    bundler = folder / "node_modules" / ".bin" / "esbuild"
    part = folder / f"sentry-{os.getpid()}.js"
    _run(
        [str(bundler), "entry.js", "--bundle", "--minify", "--format=iife", f"--outfile={part.name}"], folder
    )
    part.replace(built)
    return built


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=TIMEOUT_S)


@pytest.fixture(scope="session")
def browser_sdk() -> str:
    """Give the script's text; it sets `Sentry` on the page's global object."""
    try:
        return build_browser_sdk().read_text(encoding="utf-8")
    except (OSError, subprocess.SubprocessError) as error:
        is_missing(f"@sentry/browser cannot be built here: {error}")
