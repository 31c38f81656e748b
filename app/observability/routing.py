"""Knows the full route template of a path without asking Starlette to match it a second time.

A flat table of the routes' own compiled patterns, prefixes of included routers and mounts joined. Built once, and
again when routes were added. Only routes that share the first segment of the path are tried, so a thousand cost what
one does unless all begin alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Host, Mount, WebSocketRoute

from .types import AsgiScope


@dataclass(frozen=True, slots=True)
class _Entry:
    pattern: Any
    template: str
    methods: frozenset[str] | None
    is_websocket: bool
    children: "RouteTable | None" = None
    is_mount: bool = False


class RouteTable:
    """Maps (path, method) to the route template, mounts included; first match wins, as in Starlette."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes
        self._entries: list[_Entry] = []
        self._static: dict[str, list[int]] = {}
        self._dynamic: dict[str, list[tuple[int, _Entry]]] = {}
        self._anywhere: list[tuple[int, _Entry]] = []
        self._built_for = -1

    def match(self, scope: AsgiScope, root: str) -> str | None:
        """Return the template for an HTTP or WebSocket scope, or None if no route would match.

        Args:
            scope: Of the whole application; mounts change its `root_path` while they answer.
            root: The `root_path` that the server gave.
        """
        path: str = scope["path"]
        if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
            path = path[len(root) :]
        return self.find(path, scope.get("method", ""), is_websocket=scope["type"] == "websocket")

    def find(self, path: str, method: str, *, is_websocket: bool) -> str | None:
        """Like `match`, for a path below this table's prefix; a route for another method counts last."""
        if len(self._routes) != self._built_for:
            self._build()
        other_method: str | None = None
        for entry in self._candidates(path):
            found = entry.pattern.match(path)
            if found is None or (entry.is_websocket != is_websocket and not entry.is_mount):
                continue
            if entry.is_mount:
                template = self._below(entry, path, found, method, is_websocket=is_websocket)
                if template is not None or entry.children is not None:
                    return template
                continue
            if entry.methods is None or method in entry.methods or is_websocket:
                return entry.template
            other_method = other_method or entry.template
        return other_method

    def _candidates(self, path: str) -> Iterable[_Entry]:
        """Entries that can match, in the routes' order: found by path, or by first segment if they take parameters."""
        fixed = self._static.get(path, ())
        done = 0
        for number, entry in self._dynamic.get(_first_segment(path), self._anywhere):
            while done < len(fixed) and fixed[done] < number:
                yield self._entries[fixed[done]]
                done += 1
            yield entry
        for number in fixed[done:]:
            yield self._entries[number]

    @staticmethod
    def _below(entry: _Entry, path: str, found: Any, method: str, *, is_websocket: bool) -> str | None:
        if entry.children is None:
            return entry.template + "/{path}"
        rest = "/" + found.group("path") if "path" in found.re.groupindex else path
        below = entry.children.find(rest, method, is_websocket=is_websocket)
        return None if below is None else entry.template + below

    def _build(self) -> None:
        entries: list[_Entry] = []
        for context in iter_route_contexts(self._routes):
            entry = _entry(context)
            if entry is not None:
                entries.append(entry)
        static: dict[str, list[int]] = {}
        dynamic: dict[str, list[tuple[int, _Entry]]] = {}
        anywhere: list[tuple[int, _Entry]] = []
        for number, entry in enumerate(entries):
            first = _first_segment(entry.template)
            if "{" not in entry.template and not entry.is_mount:
                static.setdefault(entry.template, []).append(number)
            elif first and "{" not in first:
                dynamic.setdefault(first, []).append((number, entry))
            else:
                anywhere.append((number, entry))
        for first, those in dynamic.items():
            dynamic[first] = sorted([*those, *anywhere], key=itemgetter(0))
        self._entries, self._static, self._dynamic, self._anywhere = entries, static, dynamic, anywhere
        self._built_for = len(self._routes)


def _first_segment(path: str) -> str:
    return path[1:].partition("/")[0]


def _entry(context: Any) -> _Entry | None:
    route = context.original_route
    pattern = getattr(context, "path_regex", None)
    template = context.path_format or context.path
    if isinstance(route, Host):
        return _Entry(_AnyPath(), "", None, False, RouteTable(route.routes), True)
    if pattern is None or template is None:
        return None
    if isinstance(route, Mount):
        children = RouteTable(route.routes) if route.routes else None
        return _Entry(pattern, template.removesuffix("/{path}"), None, False, children, True)
    methods = context.methods
    is_websocket = isinstance(route, WebSocketRoute)
    return _Entry(pattern, template, frozenset(methods) if methods else None, is_websocket)


class _AnyPath:
    """Stands in for the pattern of a `Host` route, whose children see the whole path."""

    groupindex: dict[str, int] = {}

    def match(self, path: str) -> "_AnyPath":
        return self

    @property
    def re(self) -> "_AnyPath":
        return self
