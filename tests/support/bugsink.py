"""The fixture `bugsink`: a real Sentry-compatible server that tests send to and read back from.

Installed once, beside the project, before the first test that needs it::

    def test_it_arrives(bugsink):
        ... send to bugsink.dsn ...
        payload = bugsink.event(event_id)
"""

import contextlib
import subprocess
from collections.abc import Iterator

import pytest

from tools.bugsink import BugsinkServer, install

from .requirements import is_missing


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install Bugsink before the first test, so that no test's time limit has to hold a download."""
    needed = any("bugsink" in getattr(item, "fixturenames", ()) for item in session.items)
    if needed and not session.config.option.collectonly:
        # The fixture tries again, and there the reason belongs to a test.
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            install()


@pytest.fixture(scope="session")
def bugsink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BugsinkServer]:
    """Give the one Bugsink of this session; events stay in it, so look yours up by its id."""
    try:
        install()
    except (OSError, subprocess.CalledProcessError) as error:
        is_missing(f"Bugsink cannot be installed here: {error}")
    with BugsinkServer(tmp_path_factory.mktemp("bugsink")) as server:
        yield server
