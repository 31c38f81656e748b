"""The form of `alerts.toml`, and reading it: every fault is named with its place, in one error."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

PROJECT_ERRORS = "project errors"
"""What an alert names to watch the project's ordinary issues; Sentry makes their monitors itself."""

_DURATION = re.compile(r"(\d{1,5})\s*([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TARGET = re.compile(r"owners|(user|team):\d+|slack:\d+:#?[\w.-]+")


class AlertFileError(ValueError):
    """`alerts.toml` can't be used; `faults` lists why, each with its place."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        super().__init__("\n".join([f"{path} is wrong:", *(f"  - {fault}" for fault in faults)]))
        self.faults = tuple(faults)


def _seconds(value: object) -> int:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('must be a time such as "5m", "1h", "1d" or "1w"')
    return int(found[1]) * _SECONDS[found[2]]


Duration = Annotated[int, BeforeValidator(_seconds)]
"""Seconds, written as a number with m, h, d or w."""

Name = Annotated[str, Field(min_length=3, max_length=120, pattern=r"^[^\s].*[^\s]$")]


def _targets(value: object) -> object:
    targets = [value] if isinstance(value, str) else value
    if isinstance(targets, list):
        for target in targets:
            if not isinstance(target, str) or not _TARGET.fullmatch(target):
                raise ValueError('must be "owners", "user:ID", "team:ID" or "slack:INTEGRATION_ID:#channel"')
    return targets


Targets = Annotated[list[str], BeforeValidator(_targets), Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Monitor(_Table):
    """Opens an issue when a number leaves its range, and resolves the issue when it is back."""

    name: Name
    meaning: str = Field(min_length=10)
    dataset: Literal["errors", "spans", "logs", "metrics"]
    aggregate: str = Field(pattern=r"^[a-z_0-9]+\(.*\)$")
    query: str = ""
    environment: str | None = None
    window: Duration
    direction: Literal["above", "below"] = "above"
    high: float | None = None
    medium: float | None = None
    resolve: float | None = None
    compare_to: Duration | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        levels = [level for level in (self.high, self.medium, self.resolve) if level is not None]
        if self.high is None and self.medium is None:
            raise ValueError("needs `high` or `medium`, the value from which it opens an issue")
        if levels != sorted(levels, reverse=self.direction == "above"):
            order = ">" if self.direction == "above" else "<"
            raise ValueError(f"direction {self.direction}: needs high {order} medium {order}= resolve")
        if self.high is not None and self.high == self.medium:
            raise ValueError("`high` and `medium` are the same value")
        return self


class Condition(_Table):
    """One thing that must hold for an alert to notify; exactly one of its forms is used."""

    level: Literal["fatal", "error", "warning", "info"] | None = None
    category: Literal["error", "metric"] | None = None
    priority: Literal["high", "medium", "low"] | None = None
    tag: str | None = None
    attribute: str | None = None
    equals: str | None = None
    is_set: bool | None = None
    users_over: int | None = Field(default=None, ge=1)
    events_over: int | None = Field(default=None, ge=1)
    within: Literal["1h", "1d", "1w", "30d"] | None = None

    @model_validator(mode="after")
    def _is_one_form(self) -> Self:
        kinds = ("level", "category", "priority", "tag", "attribute", "users_over", "events_over")
        used = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(used) != 1:
            raise ValueError(f"a condition uses exactly one of {', '.join(kinds)}; this one uses {len(used)}")
        is_match = used[0] in ("tag", "attribute")
        if is_match != ((self.equals is not None) or (self.is_set is not None)):
            raise ValueError("`equals` or `is_set` goes with `tag` and `attribute`, and with nothing else")
        if self.equals is not None and self.is_set is not None:
            raise ValueError("use `equals` or `is_set`, not both")
        if (used[0] in ("users_over", "events_over")) != (self.within is not None):
            raise ValueError("`within` goes with `users_over` and `events_over`, and with nothing else")
        return self


class Alert(_Table):
    """Notifies somebody about new, regressed or resolved issues of some monitors."""

    name: Name
    meaning: str = Field(min_length=10)
    monitors: list[str] = Field(min_length=1)
    when: list[Literal["new", "regressed", "reappeared", "resolved"]] = Field(min_length=1)
    only_if: list[Condition] = []
    environment: str | None = None
    at_most_every: Duration
    notify: Targets | None = None
    enabled: bool = True


class Ownership(_Table):
    """Where ownership rules are, and whom Sentry assigns an issue to by itself."""

    file: str = "ownership.txt"
    assign: Literal["owner", "suspect-commits", "nobody"]
    everybody_if_no_rule_matches: bool = True


class AlertDocument(_Table):
    """All of `alerts.toml`."""

    prefix: str = Field(min_length=2, max_length=40)
    environment: str | None
    notify: Targets
    monitor: list[Monitor] = []
    alert: list[Alert] = []
    ownership: Ownership | None = None

    @model_validator(mode="before")
    @classmethod
    def _star_is_everywhere(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("environment") == "*":
            return {**values, "environment": None}
        return values

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        monitors = [monitor.name for monitor in self.monitor]
        for kind, names in (("monitor", monitors), ("alert", [alert.name for alert in self.alert])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two {kind}s are called {twice[0]!r}; Sentry finds them by name")
        for alert in self.alert:
            unknown = [name for name in alert.monitors if name not in (*monitors, PROJECT_ERRORS)]
            if unknown:
                raise ValueError(f"alert {alert.name!r} names a monitor that is not here: {unknown[0]!r}")
        watched = {name for alert in self.alert for name in alert.monitors}
        silent = [name for name in monitors if name not in watched]
        if silent:
            raise ValueError(f"no alert names monitor {silent[0]!r}: its issues would open without a word")
        return self


def load(path: Path) -> AlertDocument:
    """Read `alerts.toml`.

    Raises:
        AlertFileError: The file is missing, no TOML, or has faults; all of them are listed.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AlertFileError(path, ["there is no such file; give another with --file"]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AlertFileError(path, [str(error)]) from None
    try:
        return AlertDocument.model_validate(tables)
    except ValidationError as error:
        raise AlertFileError(
            path, [_fault(tables, detail["loc"], detail["msg"]) for detail in error.errors()]
        ) from None


def _fault(tables: dict[str, Any], place: tuple[int | str, ...], message: str) -> str:
    """Word a fault with the name of the monitor or alert instead of its number."""
    words = list[str]()
    found: Any = tables
    for step in place:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            found = None
        name = found.get("name") if isinstance(found, dict) else None
        words.append(step if isinstance(step, str) else repr(name) if name else f"no. {step + 1}")
    return f"{' '.join(words) or 'the file'}: {message.removeprefix('Value error, ')}"
