"""A small client of Sentry's web API whose errors tell ops what to do.

The token goes to one origin only: redirects are not followed, and pages are fetched by cursor and not by the
address in the answer. It never shows up in a message.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from ..version import PACKAGE, __version__
from .refusals import ORG_TOKENS_START, WRONG_HOST, Refusal, detail, timed_out

Json = Any
"""Sentry's JSON: objects as dict, lists as list."""

MAX_PAGES = 200
MAX_WAIT_S = 30.0
_ATTEMPTS = 3
_LINK = re.compile(r'<[^>]*>;\s*rel="next";\s*results="true";\s*cursor="([^"]*)"')


class SentryApiError(Exception):
    """Sentry's web API did not do what was asked; the message says why and what to change."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SentryApi:
    """Calls for one organization and project. Not for use by several threads at once."""

    def __init__(
        self,
        *,
        url: str,
        org: str,
        project: str,
        token: SecretStr,
        timeout_s: float = 15.0,
        budget_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            url: Origin of the API, such as `https://sentry.io`.
            org: Slug of the organization.
            project: Slug of the project.
            token: Personal, internal-integration or (for releases) organization token.
            timeout_s: Longest wait for one answer.
            budget_s: Longest time for all calls together; after it every call fails as timed out.
            sleep: Waits between attempts.
            clock: Monotonic seconds.
        """
        self.org, self.project, self.url = org, project, url
        self._token, self._sleep, self._clock = token, sleep, clock
        self._timeout_s = timeout_s
        self._deadline = None if budget_s is None else clock() + budget_s
        self._client = httpx.Client(
            base_url=f"{url}/api/0",
            headers={
                "Authorization": f"Bearer {token.get_secret_value()}",
                "User-Agent": f"{PACKAGE}-observability/{__version__}",
            },
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    @property
    def org_path(self) -> str:
        """Path of the organization's resources."""
        return f"/organizations/{quote(self.org, safe='')}"

    @property
    def project_path(self) -> str:
        """Path of the project's own resources."""
        return f"/projects/{quote(self.org, safe='')}/{quote(self.project, safe='')}"

    def get(self, path: str, *, scope: str, params: Mapping[str, str] | None = None) -> Json:
        """Return the JSON at `path`. `scope` is what the token needs, for the message if it lacks it."""
        return self._json(self._call("GET", path, scope=scope, params=params))

    def pages(self, path: str, *, scope: str, params: Mapping[str, str] | None = None) -> Iterator[Json]:
        """Yield every item of a list, page after page.

        Raises:
            SentryApiError: A call failed, or the list does not end.
        """
        query, seen = dict(params or {}), set[str]()
        for _ in range(MAX_PAGES):
            answer = self._call("GET", path, scope=scope, params=query)
            items = self._json(answer)
            if not isinstance(items, list):
                raise SentryApiError(f"Sentry answered {path} with something that is no list. {WRONG_HOST}")
            yield from items
            following = _LINK.search(answer.headers.get("Link", ""))
            if following is None:
                return
            cursor = following.group(1)
            if cursor in seen:
                break
            seen.add(cursor)
            query["cursor"] = cursor
        raise SentryApiError(f"The list at {path} does not end: stopped after {len(seen)} pages.")

    def post(self, path: str, body: Json, *, scope: str) -> Json:
        """Create something. Not repeated after a timeout or 5xx: it may have been created."""
        return self._json(self._call("POST", path, scope=scope, body=body))

    def put(self, path: str, body: Json, *, scope: str) -> Json:
        """Update something and return Sentry's answer."""
        return self._json(self._call("PUT", path, scope=scope, body=body))

    def delete(self, path: str, *, scope: str) -> None:
        """Delete something; that it is gone already is fine."""
        try:
            self._call("DELETE", path, scope=scope)
        except SentryApiError as error:
            if error.status != 404:
                raise

    def _call(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        params: Mapping[str, str] | None = None,
        body: Json = None,
    ) -> httpx.Response:
        for attempt in range(1, _ATTEMPTS + 1):
            is_last = attempt == _ATTEMPTS
            try:
                # Deliberately `request(json=...)` only where there is a body: a GET with "null" is refused.
                answer = self._client.request(
                    method,
                    path,
                    params=params,
                    timeout=self._remaining(),
                    **({} if body is None else {"json": body}),
                )
            except httpx.TimeoutException:
                if method == "POST" or is_last or self._is_over():
                    raise SentryApiError(timed_out(self.url, method, path)) from None
                continue
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                why = f"{type(error).__name__}: {self._clean(str(error))}"
                raise SentryApiError(
                    f"Sentry at {self.url} can't be reached ({why}). "
                    "Is SENTRY_URL right, and may this machine open connections to it?"
                ) from None
            if answer.is_success:
                return answer
            wait_s = _wait_after(answer, attempt)
            is_repeatable = answer.status_code == 429 or (answer.status_code >= 500 and method != "POST")
            if is_last or not is_repeatable or wait_s > self._longest_wait():
                raise SentryApiError(self._refused(answer, method, path, scope), status=answer.status_code)
            self._sleep(wait_s)
        raise AssertionError("unreachable")

    def _remaining(self) -> float:
        if self._deadline is None:
            return self._timeout_s
        # httpx takes 0 for "no time at all"; the smallest wait keeps its own error for that case.
        return max(0.001, min(self._timeout_s, self._deadline - self._clock()))

    def _is_over(self) -> bool:
        return self._deadline is not None and self._clock() >= self._deadline

    def _longest_wait(self) -> float:
        return MAX_WAIT_S if self._deadline is None else max(0.0, self._deadline - self._clock())

    def _json(self, answer: httpx.Response) -> Json:
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise SentryApiError(
                f"Sentry answered {answer.request.url.path} with something that is no JSON. {WRONG_HOST}",
                status=answer.status_code,
            ) from None

    def _refused(self, answer: httpx.Response, method: str, path: str, scope: str) -> str:
        call = Refusal(
            status=answer.status_code,
            said=self._clean(detail(answer)),
            method=method,
            path=path,
            scope=scope,
            url=self.url,
            org=self.org,
            project=self.project,
            is_org_token=self._token.get_secret_value().startswith(ORG_TOKENS_START),
        )
        return call.words()

    def _clean(self, text: str) -> str:
        return text.replace(self._token.get_secret_value(), "[token]")


def _wait_after(answer: httpx.Response, attempt: int) -> float:
    """Return the seconds to wait before the next attempt: what Sentry asks for, else 1, 2, 4."""
    try:
        return max(0.0, float(answer.headers["Retry-After"]))
    except (KeyError, ValueError):
        return float(2 ** (attempt - 1))
