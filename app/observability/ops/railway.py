"""The deployment of railway.json in the format that follows it: `.railway/railway.ts` or
`.railway/railway.py`.

Railway reads railway.json until 2026-12-01. Its successor describes a whole project, and what a file leaves
out is removed when it is applied: hence variables are named (without their values), a volume is kept, and the
file claims this one service only. Railway's own `railway config migrate` leaves variables and source out.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from ..version import PACKAGE
from .settings import COMMAND, OpsConfigError, variable

LAST_DAY_OF_JSON = date(2026, 12, 1)
OWN_VARIABLES = (
    "DATABASE_URL",
    "SENTRY_DSN",
    "SENTRY_ENABLED",
    "SENTRY_ENVIRONMENT",
    "SENTRY_TRACES_SAMPLE_RATE",
)
_SWITCHES = ("RAILWAY_DEPLOYMENT_", "RAILWAY_HEALTHCHECK_", "RAILWAY_RUN_", "RAILPACK_")
_SET_BY_RAILWAY = "RAILWAY_DEPLOYMENT_ID"
_EXAMPLE_LINE = re.compile(r"^([A-Za-z_]\w*)=", re.MULTILINE)
_KEY = re.compile(r'^(\s*)"([A-Za-z_]\w*)":', re.MULTILINE)
_PRESERVE, _SOURCE, _VOLUME = "@preserve@", "@source@", "@volume@"


@dataclass(frozen=True)
class Service:
    """One service of a Railway project, as the successor format describes it."""

    project: str
    name: str
    config: Mapping[str, Any]
    variables: tuple[str, ...] = OWN_VARIABLES
    repository: str | None = None
    branch: str = "main"
    volume: str | None = None
    mount_path: str | None = None


def read_config(path: Path) -> dict[str, Any]:
    """Read railway.json.

    Raises:
        OpsConfigError: It is missing, no JSON, or has overrides for single environments.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OpsConfigError(f"{path} can't be read: {error}") from None
    if not isinstance(config, dict):
        raise OpsConfigError(f"{path} must hold an object.")
    if config.get("environments"):
        raise OpsConfigError(
            f"{path} has `environments`, which the new format writes as code (ctx.isEnvironment(...)): "
            "move these by hand, then run this again without them."
        )
    return config


def known_from(example: Path) -> tuple[str, ...]:
    """Return the names of variables in a `.env.example`; none if there is no such file."""
    try:
        return tuple(_EXAMPLE_LINE.findall(example.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return ()


def service_from(
    config: Mapping[str, Any],
    variables: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    known: tuple[str, ...] = (),
) -> Service:
    """Describe the service with the names that Railway gave it, as far as the environment tells them.

    Args:
        config: railway.json.
        variables: More variables to keep, whether they are set or not.
        environ: The environment; by default that of the process.
        known: Variables to keep where they are set, besides SENTRY_*, DATABASE_URL and Railway's switches. The rest
            of the environment belongs to the shell.
    """
    environ = os.environ if environ is None else environ
    owner, repository = (
        variable("RAILWAY_GIT_REPO_OWNER", environ),
        variable("RAILWAY_GIT_REPO_NAME", environ),
    )
    is_set = {
        name
        for name in environ
        if name.startswith(("SENTRY_", *_SWITCHES)) or name in (*OWN_VARIABLES, *known)
    } - {_SET_BY_RAILWAY}
    # Outside `railway run` nobody knows what Railway holds; then the usual ones are kept in any case.
    usual = () if variable("RAILWAY_PROJECT_NAME", environ) and is_set else OWN_VARIABLES
    return Service(
        project=variable("RAILWAY_PROJECT_NAME", environ) or PACKAGE,
        name=variable("RAILWAY_SERVICE_NAME", environ) or PACKAGE,
        config=config,
        variables=tuple(sorted({*is_set, *usual, *variables})),
        repository=f"{owner}/{repository}" if owner and repository else None,
        branch=variable("RAILWAY_GIT_BRANCH", environ) or "main",
        volume=variable("RAILWAY_VOLUME_NAME", environ),
        mount_path=variable("RAILWAY_VOLUME_MOUNT_PATH", environ),
    )


def renamed(service: Service, project: str | None, name: str | None) -> Service:
    """Return `service` with the names that somebody gave, where he gave them."""
    return replace(service, project=project or service.project, name=name or service.name)


def intent(service: Service) -> dict[str, Any]:
    """Return the arguments of `service(...)`: those with a name of their own, and `deploy` for the rest."""
    deploy = service.config.get("deploy") or {}
    rest = {key: value for key, value in deploy.items() if value is not None}
    arguments = dict[str, Any]()
    if service.repository:
        arguments["source"] = _SOURCE
    if build := service.config.get("build"):
        arguments["build"] = dict(build)
    names = {
        "startCommand": "start",
        "preDeployCommand": "preDeploy",
        "healthcheckPath": "healthcheck",
        "healthcheckTimeout": "healthcheckTimeout",
        "numReplicas": "replicas",
    }
    for old, new in names.items():
        if (value := rest.pop(old, None)) is not None:
            arguments[new] = value
    if rest:
        arguments["deploy"] = rest
    if service.variables:
        arguments["env"] = dict.fromkeys(service.variables, _PRESERVE)
    if service.volume and service.mount_path:
        arguments["volumeMounts"] = {service.mount_path: _VOLUME}
    return arguments


def as_typescript(service: Service) -> str:
    """Return `.railway/railway.ts`."""
    text = _KEY.sub(r"\1\2:", json.dumps(intent(service), indent=2, ensure_ascii=False))
    text = text.replace(f'"{_PRESERVE}"', "preserve()").replace(f'"{_VOLUME}"', "data")
    text = text.replace(
        f'"{_SOURCE}"', f"github({_quoted(service.repository)}, {{ branch: {_quoted(service.branch)} }})"
    )
    uses_volume = "volumeMounts" in intent(service)
    resources = "app, data" if uses_volume else "app"
    helpers = ["defineRailway", "project", "service", *(["github"] if service.repository else [])]
    helpers += [*(["preserve"] if service.variables else []), *(["volume"] if uses_volume else [])]
    lines = [
        *(f"// {line}".rstrip() for line in _head("railway.ts")[:-1]),
        "",
        f'import {{ {", ".join(sorted(helpers))} }} from "railway/iac";',
        "",
        f"export const partial = {_quoted(service.name)};",
        "",
        "export default defineRailway(() => {",
        *([f"  const data = volume({_quoted(service.volume)});"] if uses_volume else []),
        f"  const app = service({_quoted(service.name)}, {_indented(text)});",
        f"  return project({_quoted(service.project)}, {{ resources: [{resources}] }});",
        "});",
        "",
    ]
    return "\n".join(lines)


def as_python(service: Service) -> str:
    """Return `.railway/railway.py`."""
    uses_volume = "volumeMounts" in intent(service)
    resources = "app, data" if uses_volume else "app"
    helpers = ["define_railway", "project", "service", *(["github"] if service.repository else [])]
    helpers += [*(["preserve"] if service.variables else []), *(["volume"] if uses_volume else [])]
    lines = [
        '"""' + "\n".join(_head("railway.py")).rstrip() + '\n"""',
        "# ruff: noqa: E501",
        "",
        f"from railway_sdk import {', '.join(sorted(helpers))}",
        "",
        f"PARTIAL = {_quoted(service.name)}",
        "",
        "",
        "@define_railway",
        "def main(ctx=None):",
        '    """Describe the project for Railway."""',
        *([f"    data = volume({_quoted(service.volume)})"] if uses_volume else []),
        "    app = service(",
        f"        {_quoted(service.name)},",
        *(f"        {key}={_python(value, service, 8)}," for key, value in intent(service).items()),
        "    )",
        f"    return project({_quoted(service.project)}, resources=[{resources}])",
        "",
    ]
    return "\n".join(lines)


def _head(file: str) -> list[str]:
    return [
        f"The deployment of railway.json as .railway/{file}; keep one of the two formats, not both.",
        "",
        f"Made by `{COMMAND} railway migrate`. To use it: copy it to .railway/{file}, run",
        "`railway config plan` and read every line. It must not remove a variable, a volume or a service:",
        "whatever the file leaves out is removed. Variables keep the values that Railway holds. Then delete",
        "railway.json and run `railway config apply`. Project and service bear their names on Railway.",
        "",
    ]


def _python(value: Any, service: Service, indent: int) -> str:
    if isinstance(value, str) and value in (_PRESERVE, _VOLUME, _SOURCE):
        source = f"github({_quoted(service.repository)}, branch={_quoted(service.branch)})"
        return {_PRESERVE: "preserve()", _VOLUME: "data", _SOURCE: source}[value]
    pad = " " * indent
    if isinstance(value, dict):
        lines = [
            f"{pad}    {_quoted(key)}: {_python(child, service, indent + 4)},\n"
            for key, child in value.items()
        ]
        return "{\n" + "".join(lines) + pad + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_python(child, service, indent + 4) for child in value) + "]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str | None) -> str:
    return json.dumps(text, ensure_ascii=False)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
