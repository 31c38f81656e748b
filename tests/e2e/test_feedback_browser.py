"""What a person in a browser does with the crash dialog, the error page's form and the tunnel.

Headless Chromium, the real @sentry/browser, a page under `default-src 'self'`, the application under uvicorn.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from playwright.sync_api import Page, expect

from app.observability import ObservabilitySettings, init_sentry
from app.observability.httpflow import EVENT_ID_HEADER
from tests.support.ingest import PROJECT_ID, PUBLIC_KEY, IngestServer
from tests.support.served import eventually, served

pytest_plugins = ["tests.support.browser_sdk"]
pytestmark = pytest.mark.browser

STRICT = {"content-security-policy": "default-src 'self'", "referrer-policy": "no-referrer"}
MARKUP = "Ada <script>document.title = 'owned'</script>"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title>
<link rel="icon" href="/icon.svg"><script src="/sentry.js" defer></script><script src="/shop.js" defer></script>
<h1>Shop</h1><button id="buy">Buy</button><button id="crash">Crash</button>"""
DIALOG_ONLY = """
Sentry.init({ dsn: `${location.protocol}//KEY@${location.host}/_obs/PROJECT`, defaultIntegrations: false });
"""
TUNNELED = """
Sentry.init({
  dsn: `${location.protocol}//KEY@${location.host}/_obs/PROJECT`, release: "shop@1", sendDefaultPii: true,
});
Sentry.setUser({ id: "7", email: "ada@example.org", username: "ada" });
"""
DIALOG_CLIENT = """
Sentry.init({ dsn: "http://key@127.0.0.1:9/1", defaultIntegrations: false });
const dialogClient = new Sentry.BrowserClient({
  dsn: "http://key@HOST/_obs/1", integrations: [],
  transport: Sentry.makeFetchTransport, stackParser: Sentry.defaultStackParser,
});
document.querySelector("button").onclick = () => Sentry.withScope((scope) => {
  scope.setClient(dialogClient);
  Sentry.showReportDialog({ eventId: "EVENT_ID" });
});
"""
BUY = """
document.getElementById("crash").onclick = function crash() { undefined.price; };
document.getElementById("buy").onclick = async () => {
  const answer = await fetch("/boom");
  const { event_id } = await answer.json();
  Sentry.showReportDialog({
    eventId: event_id,
    user: { name: "Grace", email: "grace@example.org" },
    onClose() { document.title = "closed"; },
  });
};
"""


@dataclass
class Shop:
    """An application that fails, under a strict policy, LIVE against a loopback Sentry."""

    url: str
    sentry: IngestServer
    visited: list[str] = field(default_factory=list)

    def open(self, page: Page, path: str) -> None:
        """Open a page and note every address that the browser asks for from then on."""
        page.on("request", lambda request: self.visited.append(request.url))
        page.goto(self.url + path)

    def stays_at_home(self) -> bool:
        return bool(self.visited) and all(each.startswith(self.url + "/") for each in self.visited)

    def received(self, kind: str) -> dict[str, Any]:
        """The one item of a kind, once it has come."""
        eventually(lambda: self.sentry.events(kind))
        items = self.sentry.events(kind)
        assert len(items) == 1
        return dict(items[0])


@contextmanager
def shop(folder: Path, sdk: str = "", setup: str = DIALOG_ONLY, **settings: Any) -> Iterator[Shop]:
    app = FastAPI()
    setup = setup.replace("KEY", PUBLIC_KEY).replace("PROJECT", str(PROJECT_ID))

    @app.get("/boom")
    async def boom() -> None:
        raise LookupError("no such price")

    @app.get("/page")
    async def page() -> Response:
        return HTMLResponse(PAGE, headers=STRICT)

    @app.get("/sentry.js")
    async def script() -> Response:
        return Response(sdk, media_type="text/javascript")

    @app.get("/shop.js")
    async def own_script() -> Response:
        return Response(setup + BUY, media_type="text/javascript")

    @app.get("/icon.svg")
    async def icon() -> Response:
        return Response('<svg xmlns="http://www.w3.org/2000/svg"/>', media_type="image/svg+xml")

    with IngestServer() as sentry:
        init_sentry(
            app,
            settings=ObservabilitySettings(
                enabled=True, dsn=sentry.dsn, spool_dir=folder / "spool", traces_sample_rate=0.0, **settings
            ),
        )
        try:
            with served(app) as address:
                yield Shop(f"http://{address}", sentry)
        finally:
            sentry_sdk.get_client().close(timeout=0)
            sentry_sdk.get_global_scope().set_client(None)


def test_the_crash_dialog_opens_under_a_strict_policy_and_sends_what_is_written_into_it(
    browser_page: Page, browser_sdk: str, tmp_path: Path
) -> None:
    with shop(tmp_path, browser_sdk, send_email=True) as at:
        at.open(browser_page, "/page")
        browser_page.click("#buy")
        dialog = browser_page.get_by_role("dialog", name="Something went wrong")
        expect(dialog).to_be_visible()
        expect(dialog.get_by_label("Name")).to_have_value("Grace")
        expect(dialog.get_by_label("What happened?")).to_be_focused()
        dialog.get_by_label("Name").fill(MARKUP)
        dialog.get_by_label("Email").fill("ada@example.org")
        dialog.get_by_label("What happened?").fill("I clicked <b>Buy</b>.")
        dialog.get_by_role("button", name="Send report").click()
        expect(dialog.get_by_role("status")).to_contain_text("Thank you")
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)
        expect(browser_page).to_have_title("closed")
        error, said = at.received("event"), at.received("feedback")["contexts"]["feedback"]
    assert said["associated_event_id"] == error["event_id"]
    assert said["message"] == "I clicked <b>Buy</b>."
    assert (said["name"], said["contact_email"]) == (MARKUP, "ada@example.org")
    assert at.stays_at_home()


def test_name_and_email_stay_here_unless_they_may_leave_and_the_dialog_says_so(
    browser_page: Page, browser_sdk: str, tmp_path: Path
) -> None:
    with shop(tmp_path, browser_sdk) as at:
        at.open(browser_page, "/page")
        browser_page.click("#buy")
        dialog = browser_page.get_by_role("dialog")
        expect(dialog.get_by_text("not passed on")).to_have_count(2)
        dialog.get_by_label("What happened?").fill("It broke.")
        dialog.get_by_role("button", name="Send report").click()
        expect(dialog.get_by_role("status")).to_contain_text("Thank you")
        said = at.received("feedback")["contexts"]["feedback"]
        came = [envelope.raw for envelope in at.sentry.envelopes]
    assert said.keys() == {"message", "associated_event_id", "source"}
    assert not any(b"grace" in raw.lower() for raw in came)


def test_escape_closes_the_dialog_and_gives_the_focus_back(
    browser_page: Page, browser_sdk: str, tmp_path: Path
) -> None:
    with shop(tmp_path, browser_sdk) as at:
        at.open(browser_page, "/page")
        browser_page.click("#buy")
        expect(browser_page.get_by_role("dialog")).to_be_visible()
        browser_page.keyboard.press("Escape")
        expect(browser_page.get_by_role("dialog")).to_have_count(0)
        expect(browser_page).to_have_title("closed")
        expect(browser_page.locator("#buy")).to_be_focused()
        assert at.sentry.events("feedback") == []


def test_a_refused_report_can_be_sent_again(browser_page: Page, browser_sdk: str, tmp_path: Path) -> None:
    with shop(tmp_path, browser_sdk) as at:
        at.open(browser_page, "/page")
        browser_page.click("#buy")
        dialog = browser_page.get_by_role("dialog")
        dialog.get_by_label("What happened?").fill("   ")
        dialog.get_by_role("button", name="Send report").click()
        expect(dialog.get_by_role("status")).to_contain_text("no text")
        dialog.get_by_label("What happened?").fill("It broke.")
        dialog.get_by_role("button", name="Send report").click()
        expect(dialog.get_by_role("status")).to_contain_text("Thank you")
        assert at.received("feedback")["contexts"]["feedback"]["message"] == "It broke."


def test_the_error_page_posts_its_form_without_javascript(browser_page: Page, tmp_path: Path) -> None:
    with shop(tmp_path) as at:
        browser_page.route("**/*.js", lambda route: route.abort())
        at.open(browser_page, "/boom")
        expect(browser_page.get_by_role("heading", name="Something went wrong")).to_be_visible()
        assert browser_page.locator("script").count() == 0
        radius = browser_page.locator("main").evaluate("main => getComputedStyle(main).borderRadius")
        assert radius == "12px", "the policy does not let the page's own style apply"
        browser_page.get_by_label("What were you doing?").fill(MARKUP)
        browser_page.get_by_role("button", name="Send report").click()
        expect(browser_page.get_by_role("heading", name="Thank you")).to_be_visible()
        error, said = at.received("event"), at.received("feedback")["contexts"]["feedback"]
    assert said["associated_event_id"] == error["event_id"]
    assert said["message"] == MARKUP
    assert at.stays_at_home()


@pytest.mark.parametrize("policy", ["no-referrer", "origin", "same-origin"])
def test_the_form_works_under_every_referrer_policy_that_the_host_may_force(
    browser_page: Page, tmp_path: Path, policy: str
) -> None:
    with shop(tmp_path) as at:

        def force(route: Any) -> None:
            answer = route.fetch()
            route.fulfill(response=answer, headers={**answer.headers, "referrer-policy": policy})

        browser_page.route("**/boom", force)
        browser_page.goto(at.url + "/boom")
        browser_page.get_by_label("What were you doing?").fill("It broke.")
        with browser_page.expect_request("**/_obs/feedback") as posted:
            browser_page.get_by_role("button", name="Send report").click()
        expect(browser_page.get_by_role("heading", name="Thank you")).to_be_visible()
        origin = posted.value.all_headers()["origin"]
    assert origin == ("null" if policy == "no-referrer" else at.url)


@pytest.mark.parametrize("sandboxed", [False, True], ids=["plain", "sandboxed"])
def test_a_foreign_page_cannot_post_the_form_not_even_from_a_sandbox(
    browser_page: Page, tmp_path: Path, sandboxed: bool
) -> None:
    with shop(tmp_path) as at:
        fields = "<input name=comments value=x><button>Win</button>"
        form = f"<form method=post action={at.url}/_obs/feedback>{fields}</form>"
        foreign = FastAPI()

        @foreign.get("/")
        async def evil() -> HTMLResponse:
            return HTMLResponse(
                f"<iframe sandbox=allow-forms srcdoc='{form}'></iframe>" if sandboxed else form
            )

        with served(foreign) as address:
            browser_page.goto(f"http://{address.replace('127.0.0.1', 'localhost')}/")
            place = browser_page.frame_locator("iframe") if sandboxed else browser_page
            with browser_page.expect_response("**/_obs/feedback") as answered:
                place.get_by_role("button", name="Win").click()
        assert answered.value.status == 403
        assert answered.value.request.all_headers()["origin"] == (
            "null" if sandboxed else f"http://localhost:{address.rpartition(':')[2]}"
        )
        assert at.sentry.events("feedback") == []


def test_a_front_end_elsewhere_shows_the_dialog_of_an_allowed_origin_with_a_client_for_it_alone(
    browser_page: Page, browser_sdk: str, tmp_path: Path
) -> None:
    front_end = FastAPI()
    api = {"host": ""}
    event_id = "0123456789abcdef" * 2

    @front_end.get("/")
    async def page() -> HTMLResponse:
        parts = ("script-src 'self'", "style-src", "connect-src")
        policy = "; ".join(["default-src 'self'", *(f"{part} {api['host']}" for part in parts)])
        text = '<script src="/sentry.js" defer></script><script src="/front.js" defer></script><button>Buy</button>'
        return HTMLResponse(text, headers={"content-security-policy": policy})

    @front_end.get("/sentry.js")
    async def script() -> Response:
        return Response(browser_sdk, media_type="text/javascript")

    @front_end.get("/front.js")
    async def own_script() -> Response:
        text = DIALOG_CLIENT.replace("HOST", api["host"].partition("//")[2]).replace("EVENT_ID", event_id)
        return Response(text, media_type="text/javascript")

    with served(front_end) as address:
        own = f"http://{address.replace('127.0.0.1', 'localhost')}"
        with shop(tmp_path, feedback_origins=(own,)) as at:
            api["host"] = at.url
            browser_page.goto(own + "/")
            browser_page.get_by_role("button", name="Buy").click()
            dialog = browser_page.get_by_role("dialog")
            dialog.get_by_label("What happened?").fill("It broke.")
            dialog.get_by_role("button", name="Send report").click()
            expect(dialog.get_by_role("status")).to_contain_text("Thank you")
            assert at.received("feedback")["contexts"]["feedback"]["associated_event_id"] == event_id
            radius = dialog.evaluate("dialog => getComputedStyle(dialog).borderRadius")
            assert radius == "12px", "the style sheet was not applied"


def test_the_tunnel_takes_errors_of_the_page_without_its_user_or_this_servers_request(
    browser_page: Page, browser_sdk: str, tmp_path: Path
) -> None:
    with shop(tmp_path, browser_sdk, TUNNELED, tunnel=True) as at:
        at.open(browser_page, "/page?token=0123456789abcdef")
        browser_page.click("#crash")
        event = at.received("event")
        session = at.sentry.events("session") or [at.received("session")]
    assert event["exception"]["values"][0]["type"] == "TypeError"
    assert event["platform"] == "javascript"
    assert event["user"] == {"id": "7"}
    assert event["sdk"]["settings"] == {"infer_ip": "never"}
    assert event["request"]["url"].startswith(at.url + "/page")
    assert set(event["request"]["headers"]) <= {"User-Agent"}
    assert all("0123456789abcdef" not in str(each) for each in (event, session))
    assert at.stays_at_home()


def test_the_address_that_the_sdk_makes_with_name_and_email_is_not_in_the_servers_log(
    browser_page: Page, browser_sdk: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="uvicorn.access")
    with shop(tmp_path, browser_sdk) as at:
        at.open(browser_page, "/page")
        browser_page.click("#buy")
        expect(browser_page.get_by_role("dialog")).to_be_visible()
    assert any("email=grace" in each for each in at.visited)
    assert "/_obs/api/embed/error-page/" in caplog.text
    assert "grace" not in caplog.text


def test_the_answer_of_a_failed_request_names_the_event_in_a_header_too(tmp_path: Path) -> None:
    with shop(tmp_path) as at:
        answer = httpx.get(at.url + "/boom", trust_env=False)
    assert answer.headers[EVENT_ID_HEADER.decode()] == answer.json()["event_id"]
