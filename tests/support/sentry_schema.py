"""Sentry's published request schema and the strict rules for monitors, where this machine has them.

Neither is part of the project (the schema's licence forbids it): SENTRY_SCHEMA_DIR names the folder, else it is looked
for beside the project, in `shared/schema`. Tests that need them skip where they are absent.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]


def _folder() -> Path:
    return Path(os.environ.get("SENTRY_SCHEMA_DIR") or ROOT.parent / "shared" / "schema")


@cache
def _read(name: str) -> Any:
    path = _folder() / name
    if not path.is_file():
        pytest.skip(f"{name} is not here: set SENTRY_SCHEMA_DIR to the folder that holds it")
    return json.loads(path.read_text(encoding="utf-8"))


def schema_errors(method: str, path: str, body: Any) -> list[str]:
    """Return why Sentry's published schema refuses `body`; `path` is the schema's own, with its placeholders."""
    operation = _read("sentry-openapi-requests.json")["paths"][path][method.lower()]
    schema = _as_json_schema(operation["requestBody"]["content"]["application/json"]["schema"])
    return _errors(schema, body)


def strict_errors(body: Any) -> list[str]:
    """Return why the strict rules for monitors refuse `body`."""
    return _errors(_read("detector-strict.schema.json"), body)


def railway_errors(body: Any) -> list[str]:
    """Return why the schema of railway.json refuses `body`."""
    return _errors(_read("railway-json.schema.json"), body)


def _errors(schema: Any, body: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


def _as_json_schema(value: Any) -> Any:
    """Turn OpenAPI 3.0's `nullable` into JSON Schema's list of types."""
    if isinstance(value, list):
        return [_as_json_schema(child) for child in value]
    if not isinstance(value, dict):
        return value
    found = {key: _as_json_schema(child) for key, child in value.items() if key != "nullable"}
    if value.get("nullable") and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found
