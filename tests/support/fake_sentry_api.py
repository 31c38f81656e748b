"""A stand-in for Sentry's web API and its envelope endpoint, on loopback, with memory.

It behaves as Sentry does where that is surprising: answers are camelCase and wrapped, an update merges
top-level keys but replaces lists, an alert updated without `enabled` is switched on, organization tokens
can't read monitors, and an environment is unknown until an event carried it.
"""

import gzip
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

Json = Any

ORG, PROJECT, PROJECT_ID = "acme", "streamapi", 42
USER_TOKEN = "sntryu_" + "a" * 64
ORG_TOKEN = "sntrys_" + "b" * 64
PUBLIC_KEY = "c" * 32
ALL_SCOPES = frozenset(
    {"alerts:read", "alerts:write", "project:read", "project:write", "project:releases", "org:read"}
)


@dataclass(frozen=True)
class Call:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Json


@dataclass
class Fault:
    """An answer given instead of the right one to the next `times` calls that match."""

    method: str
    path: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"detail": "made to fail"}'
    times: int = 1
    happens_anyway: bool = False
    hang_s: float = 0.0


class _RefusedError(Exception):
    def __init__(self, status: int, body: Json = None) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


class FakeSentryApi:
    """Sentry for one organization with one project (and room for foreign things in it)."""

    def __init__(self, page_size: int = 3) -> None:
        self.tokens: dict[str, frozenset[str]] = {USER_TOKEN: ALL_SCOPES, ORG_TOKEN: frozenset({"org:ci"})}
        self.environments = {"production"}
        self.linked_repositories: set[str] = set()
        self.teams = {"streamapi"}
        self.detectors: dict[int, Json] = {}
        self.workflows: dict[int, Json] = {}
        self.releases: dict[str, Json] = {}
        self.deploys: dict[str, list[Json]] = {}
        self.ownership: Json = {
            "raw": None,
            "fallthrough": True,
            "autoAssignment": "Auto Assign to Issue Owner",
            "codeownersAutoSync": True,
        }
        self.envelopes: list[bytes] = []
        self.event_ids: set[str] = set()
        self.calls: list[Call] = []
        self.envelope_status, self.envelope_headers = 200, dict[str, str]()
        self.clock_offset_s = 0.0
        self._faults: list[Fault] = []
        self._next_id = 100
        self._page_size = page_size
        self._lock = threading.RLock()
        for kind in ("error", "issue_stream"):
            self.add_detector({"name": kind, "type": kind})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def dsn(self) -> str:
        return f"http://{PUBLIC_KEY}@127.0.0.1:{self._server.server_port}/{PROJECT_ID}"

    def fail(self, method: str, path: str, status: int, **rest: Any) -> None:
        """Answer the next matching call with `status`; `path` is a regular expression, searched."""
        with self._lock:
            self._faults.append(Fault(method, path, status, **rest))

    def add_detector(self, body: Json, project: int = PROJECT_ID) -> int:
        return self._store(self.detectors, {"enabled": True, **body, "projectId": str(project)})

    def add_workflow(self, body: Json) -> int:
        return self._store(self.workflows, {"enabled": True, **body})

    def names(self, things: dict[int, Json]) -> list[str]:
        return sorted(thing["name"] for thing in things.values())

    def writes(self) -> list[Call]:
        return [call for call in self.calls if call.method != "GET" and "/api/0/" in call.path]

    def _store(self, things: dict[int, Json], body: Json) -> int:
        with self._lock:
            self._next_id += 1
            things[self._next_id] = {**body, "id": str(self._next_id)}
            return self._next_id

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One packet an answer: two would cost a delayed ACK of 40 ms each.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                fake._serve(self)

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  the base class looks for these names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
                """Stay silent: the output belongs to the test."""

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string((timestamp or time.time()) + fake.clock_offset_s)

        return Handler

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        raw = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        parts = urlsplit(request.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/envelope/"):
            self._take_envelope(request, raw)
            return
        call = Call(request.command, unquote(parts.path), query, json.loads(raw) if raw else None)
        with self._lock:
            self.calls.append(call)
            fault = self._fault_for(call)
        if fault is not None:
            if fault.happens_anyway:
                self._answer(call, request)
            if fault.hang_s:
                time.sleep(fault.hang_s)
            _send(request, fault.status, fault.body.encode(), fault.headers)
            return
        try:
            status, body, headers = self._answer(call, request)
        except _RefusedError as refusal:
            status, body, headers = refusal.status, refusal.body, {}
        _send(request, status, b"" if body is None else json.dumps(body).encode(), headers)

    def _fault_for(self, call: Call) -> Fault | None:
        for fault in self._faults:
            if fault.method == call.method and re.search(fault.path, call.path):
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    def _take_envelope(self, request: BaseHTTPRequestHandler, raw: bytes) -> None:
        data = gzip.decompress(raw) if request.headers.get("Content-Encoding") == "gzip" else raw
        auth = request.headers.get("X-Sentry-Auth", "")
        with self._lock:
            header = json.loads(data.split(b"\n", 1)[0] or b"{}")
            is_known = PUBLIC_KEY in auth and request.path.startswith(f"/api/{PROJECT_ID}/")
            status = self.envelope_status if is_known or self.envelope_status != 200 else 403
            if status == 200:
                self.envelopes.append(data)
                if header.get("event_id"):
                    self.event_ids.add(header["event_id"])
        body = (
            {"id": header.get("event_id")}
            if status == 200
            else {"detail": "refused", "causes": ["made to fail"]}
        )
        _send(request, status, json.dumps(body).encode(), self.envelope_headers)

    def _answer(self, call: Call, request: BaseHTTPRequestHandler) -> tuple[int, Json, dict[str, str]]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            raise _RefusedError(401, {"detail": "Invalid token"})
        for method, pattern, scopes, handle in self._routes():
            found = re.fullmatch(pattern, call.path)
            if found is None or method != call.method:
                continue
            if token.startswith("sntrys_") and "detectors" in pattern and method == "GET":
                raise _RefusedError(401, {"detail": "Invalid org token"})
            if not self.tokens[token] & scopes:
                raise _RefusedError(403, {"detail": "You do not have permission to perform this action."})
            with self._lock:
                return handle(call, *found.groups())
        raise _RefusedError(404, {"detail": "The requested resource does not exist"})

    def _routes(
        self,
    ) -> list[tuple[str, str, frozenset[str], Callable[..., tuple[int, Json, dict[str, str]]]]]:
        org, project = f"/api/0/organizations/{ORG}", f"/api/0/projects/{ORG}/{PROJECT}"
        read = frozenset({"alerts:read", "alerts:write", "org:read"})
        write, releases = frozenset({"alerts:write"}), frozenset({"org:ci", "project:releases"})
        reads_project = frozenset({"project:read", "project:write"})
        return [
            (
                "GET",
                f"{project}/",
                reads_project,
                lambda call: (200, {"id": str(PROJECT_ID), "slug": PROJECT}, {}),
            ),
            ("GET", f"{org}/detectors/", read, self._list_detectors),
            (
                "POST",
                f"{org}/projects/{PROJECT}/detectors/",
                write | {"project:write"},
                self._create_detector,
            ),
            ("PUT", rf"{org}/detectors/(\d+)/", write, self._update_detector),
            ("DELETE", rf"{org}/detectors/(\d+)/", write, self._delete_detector),
            ("GET", f"{org}/workflows/", read, self._list_workflows),
            ("POST", f"{org}/workflows/", write, self._create_workflow),
            ("PUT", rf"{org}/workflows/(\d+)/", write, self._update_workflow),
            ("DELETE", rf"{org}/workflows/(\d+)/", write, self._delete_workflow),
            ("GET", f"{project}/ownership/", reads_project, lambda call: (200, self.ownership, {})),
            ("PUT", f"{project}/ownership/", frozenset({"project:write"}), self._set_ownership),
            ("POST", f"{org}/releases/", releases, self._create_release),
            ("PUT", f"{org}/releases/([^/]+)/", releases, self._update_release),
            ("GET", f"{org}/releases/([^/]+)/deploys/", releases, self._list_deploys),
            ("POST", f"{org}/releases/([^/]+)/deploys/", releases, self._create_deploy),
            ("GET", f"{org}/eventids/([0-9a-f]+)/", frozenset({"org:read"}), self._find_event),
        ]

    def _list_detectors(self, call: Call) -> tuple[int, Json, dict[str, str]]:
        project = call.query.get("project")
        found = [item for item in self.detectors.values() if project in (None, item["projectId"])]
        return self._page(call, [_wrapped(item) for item in found])

    def _create_detector(self, call: Call) -> tuple[int, Json, dict[str, str]]:
        self._check_detector(call.body)
        number = self.add_detector(_camel(call.body))
        return 201, _wrapped(self.detectors[number]), {}

    def _update_detector(self, call: Call, number: str) -> tuple[int, Json, dict[str, str]]:
        there = self._existing(self.detectors, number)
        merged = {**there, **_camel(call.body)}
        self._check_detector(call.body)
        self.detectors[int(number)] = merged
        return 200, _wrapped(merged), {}

    def _delete_detector(self, call: Call, number: str) -> tuple[int, Json, dict[str, str]]:
        self._existing(self.detectors, number)
        del self.detectors[int(number)]
        for workflow in self.workflows.values():
            workflow["detectorIds"] = [found for found in workflow.get("detectorIds", []) if found != number]
        return 204, None, {}

    def _check_detector(self, body: Json) -> None:
        source = (body.get("data_sources") or [{}])[0]
        self._check_environment(source.get("environment"))
        conditions = body.get("condition_group", {}).get("conditions", [])
        results = [found.get("condition_result") for found in conditions]
        if not set(results) <= {75, 50, 0}:
            raise _RefusedError(400, {"conditionGroup": ["Unsupported priority"]})
        if 0 not in results and body["config"]["detection_type"] != "dynamic":
            raise _RefusedError(
                400, {"conditionGroup": ["Resolution condition required for metric issue detector."]}
            )
        if len(conditions) > 3:
            raise _RefusedError(400, {"conditionGroup": ["Too many conditions"]})
        if source.get("dataset") not in ("events", "events_analytics_platform", "metrics"):
            raise _RefusedError(400, {"dataSources": ["Creation of transaction-based alerts is disabled."]})

    def _check_environment(self, name: str | None) -> None:
        if name is not None and name not in self.environments:
            raise _RefusedError(400, {"environment": [f"Object with name={name} does not exist."]})

    def _list_workflows(self, call: Call) -> tuple[int, Json, dict[str, str]]:
        return self._page(call, list(self.workflows.values()))

    def _create_workflow(self, call: Call) -> tuple[int, Json, dict[str, str]]:
        number = self.add_workflow(self._checked_workflow(call.body))
        return 201, self.workflows[number], {}

    def _update_workflow(self, call: Call, number: str) -> tuple[int, Json, dict[str, str]]:
        there = self._existing(self.workflows, number)
        if "name" not in call.body:
            raise _RefusedError(400, {"name": ["This field is required."]})
        body = {"enabled": True, **self._checked_workflow(call.body)}
        self.workflows[int(number)] = {**there, **body}
        return 200, self.workflows[int(number)], {}

    def _delete_workflow(self, call: Call, number: str) -> tuple[int, Json, dict[str, str]]:
        self._existing(self.workflows, number)
        del self.workflows[int(number)]
        return 204, None, {}

    def _checked_workflow(self, body: Json) -> Json:
        self._check_environment(body.get("environment"))
        unknown = [found for found in body.get("detector_ids", []) if found not in self.detectors]
        if unknown:
            raise _RefusedError(400, {"detectorIds": [f"Some detectors do not exist: {unknown}"]})
        made = _camel(body)
        if "detectorIds" in made:
            made["detectorIds"] = [str(found) for found in made["detectorIds"]]
        for part in (made.get("triggers"), *made.get("actionFilters", [])):
            if part:
                part.update(id="7", organizationId="1")
                for position, condition in enumerate(part["conditions"]):
                    condition["id"] = str(position)
        made.get("triggers", {})["actions"] = []
        return made

    def _set_ownership(self, call: Call) -> tuple[int, Json, dict[str, str]]:
        raw = call.body.get("raw", "")
        owners = re.findall(r"(?<=\s)#([a-z0-9_-]+)", "\n".join(re.findall(r"^[^#].*$", raw, re.MULTILINE)))
        strangers = sorted(set(owners) - self.teams)
        if strangers:
            raise _RefusedError(400, {"raw": [f"Invalid rule owners: #{strangers[0]}"]})
        self.ownership = {**self.ownership, **call.body}
        return 202, self.ownership, {}

    def _create_release(self, call: Call) -> tuple[int, Json, dict[str, str]]:
        version = call.body["version"]
        is_new = version not in self.releases
        if is_new:
            self.releases[version] = {"dateReleased": None, **call.body}
        return 201 if is_new else 208, self.releases[version], {}

    def _update_release(self, call: Call, version: str) -> tuple[int, Json, dict[str, str]]:
        if version not in self.releases:
            raise _RefusedError(404, {"detail": "The requested resource does not exist"})
        for ref in call.body.get("refs", []):
            if ref["repository"] not in self.linked_repositories:
                raise _RefusedError(400, {"refs": [f"Invalid repository names: {ref['repository']}"]})
        self.releases[version].update(call.body)
        return 200, self.releases[version], {}

    def _list_deploys(self, call: Call, version: str) -> tuple[int, Json, dict[str, str]]:
        if version not in self.releases:
            raise _RefusedError(404, {"detail": "The requested resource does not exist"})
        return self._page(call, self.deploys.get(version, []))

    def _create_deploy(self, call: Call, version: str) -> tuple[int, Json, dict[str, str]]:
        if version not in self.releases:
            raise _RefusedError(404, {"detail": "The requested resource does not exist"})
        self.deploys.setdefault(version, []).append(call.body)
        return 201, call.body, {}

    def _find_event(self, call: Call, event_id: str) -> tuple[int, Json, dict[str, str]]:
        if event_id not in self.event_ids:
            raise _RefusedError(404, {"detail": "Event not found"})
        return (
            200,
            {"organizationSlug": ORG, "projectSlug": PROJECT, "groupId": "9001", "eventId": event_id},
            {},
        )

    def _existing(self, things: dict[int, Json], number: str) -> Json:
        if int(number) not in things:
            raise _RefusedError(404, {"detail": "The requested resource does not exist"})
        return things[int(number)]

    def _page(self, call: Call, items: list[Json]) -> tuple[int, Json, dict[str, str]]:
        start = int(call.query.get("cursor", "0:0:0").split(":")[1])
        end = start + self._page_size
        more = "true" if end < len(items) else "false"
        # A client must take the cursor and not the address, else it would send its token elsewhere.
        link = '<http://elsewhere.invalid/>; rel="previous"; results="false"; cursor="0:0:1", '
        link += f'<http://elsewhere.invalid/>; rel="next"; results="{more}"; cursor="0:{end}:0"'
        return 200, items[start:end], {"Link": link}


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
    try:
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
    except (BrokenPipeError, ConnectionResetError):
        request.close_connection = True


def _wrapped(detector: Json) -> Json:
    """Return a detector as Sentry answers it: its query two levels down."""
    sources = [
        {
            "id": "1",
            "type": "snuba_query_subscription",
            "queryObj": {"id": "2", "snubaQuery": {"id": "3", **source}},
        }
        for source in detector.get("dataSources", [])
    ]
    return {**detector, "dataSources": sources, "owner": None, "workflowIds": []}


def _camel(value: Json) -> Json:
    if isinstance(value, dict):
        return {
            re.sub(r"_([a-z])", lambda m: m[1].upper(), key): _camel(child) for key, child in value.items()
        }
    return [_camel(child) for child in value] if isinstance(value, list) else value
