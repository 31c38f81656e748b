"""Builds error events cheaply: every frame by name, source lines and variables of in-app frames only.

The SDK reads source and variables of every library frame (9-18 ms and the raw request scope, credentials
included). It is therefore told to read none (`include_local_variables`, `include_source_context`), and
`describe_exception` replaces its frames when an event is about to be sent. Total: a value whose repr raises, a file
that is gone or a deleted module cost a detail, never the event.
"""

import functools
import linecache
import os
import re
import sys
import sysconfig
import uuid
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, cast

import sentry_sdk

from .cutting import cut
from .locals import describe_variables
from .scrubbing import scrub_text
from .state import Receipt, current_flow, event_that_saw, mark_seen, note_escape
from .types import Event, Hint

MAX_FRAMES = 100
MAX_CHAINED = 10
MAX_VALUE_CHARS = 8192
CONTEXT_LINES = 5
MAX_LINE_CHARS = 256

_NAME = re.compile(r"[\w.<>\[\]]{1,256}")
_OWN_FOLDER = f"{Path(__file__).resolve().parent}{os.sep}"
_TEST_ERROR = _OWN_FOLDER + "testerror.py"
_LIBRARY_FOLDERS = tuple(
    folder + os.sep for folder in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")} if folder
)
_LIBRARY_PARTS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


@functools.lru_cache(maxsize=4096)
def is_in_app(path: str) -> bool:
    """Whether a source file belongs to the service: not the standard library, not a package, not this module."""
    if path.startswith(("<", _OWN_FOLDER)):
        return path == _TEST_ERROR
    if any(part in path for part in _LIBRARY_PARTS):
        return False
    return not path.startswith(_LIBRARY_FOLDERS)


@functools.lru_cache(maxsize=4096)
def _short_path(path: str, module: str | None) -> str:
    """Path from the top package on, as Sentry shows it ("app/main.py")."""
    top = sys.modules.get(module.partition(".")[0]) if module else None
    root = getattr(top, "__file__", None)
    if not root or not path.startswith(os.sep):
        return path
    folder = Path(root).parent
    if Path(root).stem == "__init__":
        folder = folder.parent
    return path.removeprefix(f"{folder}{os.sep}")


def describe_frame(frame: FrameType, lineno: int, *, with_locals: bool) -> dict[str, Any]:
    """One frame of Sentry's stack trace interface; source and variables only if it is in-app."""
    code: CodeType = frame.f_code
    module = frame.f_globals.get("__name__")
    in_app = is_in_app(code.co_filename)
    described: dict[str, Any] = {
        "filename": _short_path(code.co_filename, module if isinstance(module, str) else None),
        "abs_path": code.co_filename,
        "function": code.co_qualname if hasattr(code, "co_qualname") else code.co_name,
        "module": module,
        "lineno": lineno,
        "in_app": in_app,
    }
    if in_app:
        lines = linecache.getlines(code.co_filename, frame.f_globals)
        if 0 < lineno <= len(lines):
            described["pre_context"] = _cut(lines[max(0, lineno - 1 - CONTEXT_LINES) : lineno - 1])
            described["context_line"] = _cut(lines[lineno - 1 : lineno])[0]
            described["post_context"] = _cut(lines[lineno : lineno + CONTEXT_LINES])
        if with_locals:
            described["vars"] = describe_variables(frame.f_locals)
    return described


def _cut(lines: list[str]) -> list[str]:
    return [cut(line.rstrip("\r\n"), MAX_LINE_CHARS) for line in lines]


def _frames(traceback: TracebackType | None, *, with_locals: bool) -> list[dict[str, Any]]:
    links: list[TracebackType] = []
    while traceback is not None:
        if "__tracebackhide__" not in traceback.tb_frame.f_code.co_varnames:
            links.append(traceback)
        traceback = traceback.tb_next
    if len(links) > MAX_FRAMES:
        links = links[: MAX_FRAMES // 4] + links[-(MAX_FRAMES - MAX_FRAMES // 4) :]
    return [describe_frame(link.tb_frame, link.tb_lineno, with_locals=with_locals) for link in links]


def text_of(error: BaseException) -> str:
    """The exception's message with its notes, cut to what Sentry keeps; "<unprintable>" for what str() fails on."""
    parts = [_text(error), *map(_text, _notes_of(error))]
    return cut("\n".join(part for part in parts if part), MAX_VALUE_CHARS)


def _notes_of(error: BaseException) -> list[object]:
    try:
        notes: Any = error.__notes__
    except Exception:  # noqa: BLE001 - mostly there are none; a foreign __getattr__ may raise anything
        return []
    return notes if isinstance(notes, list) else []


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a foreign __str__ may raise anything
        return "<unprintable>"


def name_of(name: object) -> str | None:
    """The name of a type or module; scrubbed where it is none, as in a type that was made for one customer."""
    if not isinstance(name, str):
        return None
    return name if _NAME.fullmatch(name) else scrub_text(cut(name, MAX_LINE_CHARS))


def _mechanism(base: dict[str, Any], number: int, parent: int | None, source: str | None) -> dict[str, Any]:
    mechanism = dict(base) if parent is None else {"type": "chained", "handled": base.get("handled", True)}
    mechanism["exception_id"] = number
    if parent is not None:
        mechanism["parent_id"] = parent
    if source is not None:
        mechanism["source"] = source
    return mechanism


def describe_exception(
    error: BaseException, mechanism: dict[str, Any], *, with_locals: bool
) -> list[dict[str, Any]]:
    """Values of Sentry's exception interface: causes and group members first, the exception itself last."""
    values: list[dict[str, Any]] = []
    waiting: list[tuple[BaseException, int | None, str | None]] = [(error, None, None)]
    known: set[int] = set()
    while waiting and len(values) < MAX_CHAINED:
        link, parent, source = waiting.pop(0)
        if id(link) in known or (parent is not None and _is_echo(link, known)):
            continue
        known.add(id(link))
        number = len(values)
        own = _mechanism(mechanism, number, parent, source)
        kind = type(link)
        value: dict[str, Any] = {
            "type": name_of(kind.__qualname__),
            "module": None if kind.__module__ == "builtins" else name_of(kind.__module__),
            "value": text_of(link),
            "mechanism": own,
        }
        frames = _frames(link.__traceback__, with_locals=with_locals)
        if frames:
            value["stacktrace"] = {"frames": frames}
        values.append(value)
        if link.__cause__ is not None:
            waiting.append((link.__cause__, number, "__cause__"))
        elif link.__context__ is not None and _tells_something(link, link.__context__):
            waiting.append((link.__context__, number, "__context__"))
        if isinstance(link, BaseExceptionGroup):
            own["is_exception_group"] = True
            waiting.extend((each, number, f"exceptions[{i}]") for i, each in enumerate(link.exceptions))
    values.reverse()
    return values


def _is_echo(link: BaseException, known: set[int]) -> bool:
    """Whether a link is only the group that a middleware's task group put around what is already described."""
    return isinstance(link, BaseExceptionGroup) and all(id(member) in known for member in link.exceptions)


def is_unhandled(event: Event) -> bool:
    """Whether an event, or the outline of one, is about an exception that nobody handled."""
    values = (event.get("exception") or {}).get("values") or [{}]
    return (values[-1].get("mechanism") or {}).get("handled") is False


def drop_reported(event: Event, hint: Hint) -> Event | None:
    """Filter: let a failure through only once, however often it is logged, wrapped and captured."""
    error = (hint.get("exc_info") or (None, None, None))[1]
    if error is None:
        return event
    earlier = None if "replayed" in hint else event_that_saw(error)
    if earlier is not None:
        if is_unhandled(event):
            note_escape(earlier)
        receipt = hint.get("receipt")
        if isinstance(receipt, Receipt):
            receipt.event_id = earlier
        return None
    mark_seen(error, event["event_id"])
    flow = current_flow()
    if flow is not None:
        flow.captured_id = str(event["event_id"])
    return event


def _tells_something(error: BaseException, context: BaseException) -> bool:
    """Whether a context belongs to the story: one hidden by `from None` only if it comes from the service itself."""
    if not error.__suppress_context__:
        return True
    traceback = context.__traceback__
    while traceback is not None:
        if is_in_app(traceback.tb_frame.f_code.co_filename):
            return True
        traceback = traceback.tb_next
    return False


class ExceptionEnricher:
    """Gives every exception event our frames, whoever captured it."""

    def __init__(self, *, with_locals: bool) -> None:
        self.with_locals = with_locals

    def __call__(self, event: Event, hint: Hint) -> Event:
        """Replace the SDK's frames."""
        error = (hint.get("exc_info") or (None, None, None))[1]
        if error is None:
            return event
        sdk_values = (event.get("exception") or {}).get("values") or [{}]
        mechanism = sdk_values[-1].get("mechanism") or {"type": "generic", "handled": True}
        event["exception"] = {"values": describe_exception(error, mechanism, with_locals=self.with_locals)}
        return event


_judge: Callable[[Event, Hint], bool] | None = None


def judge_first(judge: Callable[[Event, Hint], bool] | None) -> None:
    """Ask this about every exception before the SDK does anything: a repeat in a storm then costs next to nothing."""
    global _judge
    _judge = judge


def _judged_worthy(outline: Event, hint: Hint) -> bool:
    try:
        return _judge is None or not sentry_sdk.get_client().is_active() or _judge(outline, hint)
    except Exception:  # noqa: BLE001 - a fault of ours must not lose the event: the hook judges, and reduces it
        return True


def capture_error(error: BaseException, *, handled: bool, mechanism: str, **fields: Any) -> str | None:
    """Capture an exception and return the id of the event that stands for it.

    The event is an outline; `ExceptionEnricher` fills it once the SDK has applied the scopes, so nothing is
    serialized twice. Further event fields (`tags`, `level`, `fingerprint`) may be given. None: nothing was sent.
    """
    receipt = Receipt()
    outline: Event = {
        "event_id": uuid.uuid4().hex,
        "level": "error",
        "exception": {
            "values": [
                {
                    "type": name_of(type(error).__qualname__),
                    "value": "",
                    "mechanism": {"type": mechanism, "handled": handled},
                }
            ]
        },
        **fields,
    }
    hint: Hint = {"exc_info": (type(error), error, error.__traceback__), "receipt": receipt}
    if _judge is not None and not _judged_worthy(outline, hint):
        return receipt.event_id
    event_id = sentry_sdk.capture_event(cast(Any, outline), hint) or receipt.event_id
    flow = current_flow()
    if flow is not None:
        flow.removed = receipt.removed
    return event_id
