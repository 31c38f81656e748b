"""Run the command line in this process, with an environment of its own."""

import json
import os
from dataclasses import dataclass
from typing import Any
from unittest import mock

from typer.testing import CliRunner

from app.observability.ops.cli import app


@dataclass(frozen=True)
class Ran:
    """What a command printed and its exit code."""

    code: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ops_command(*arguments: str, **environ: str) -> Ran:
    """Run `python -m app.observability` with these arguments and no other variables than these."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with mock.patch.dict(os.environ, {**kept, **environ}, clear=True):
        result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.output)
