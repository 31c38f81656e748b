"""Installs the pinned Bugsink into `.venv-bugsink` beside the project, once."""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_PROJECT = Path(__file__).resolve().parents[2]


def install() -> Path:
    """Return the folder of the programs of Bugsink's environment, installing it if it is missing or outdated.

    `BUGSINK_VENV` names another folder for it. Safe to call from several processes at once: one installs, the
    others wait.

    Raises:
        subprocess.CalledProcessError: pip failed; what it said is on standard error.
    """
    folder = Path(os.environ.get("BUGSINK_VENV") or _PROJECT / ".venv-bugsink")
    programs = folder / "bin"
    stamp = folder / ".installed"
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return programs
        stamp.unlink(missing_ok=True)
        print(f"Installing Bugsink into {folder.name} (once, about half a minute) ...", file=sys.stderr)
        venv.create(folder, with_pip=True)
        pip: list[str | Path] = [
            programs / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, "--require-hashes", "-r", _REQUIREMENTS], check=True, stdout=subprocess.DEVNULL)
        stamp.write_text(wanted)
    return programs
