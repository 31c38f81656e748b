"""What the scrubber spoils in 30,000 lines of code that nobody wrote for it: the source of the installed packages."""

import random
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.observability.scrubbing import Scrubber, scrub_text

LINES = 30_000
LINES_OF_A_FILE = 120
MAX_SHARE_AS_SOURCE = 0.001
MAX_SHARE_AS_TEXT = 0.003


def _lines() -> Iterator[str]:
    files = sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py"))
    chosen = random.Random(5)  # the same lines in every run
    chosen.shuffle(files)
    for path in files:
        lines = [
            line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
        yield from chosen.sample(lines, min(len(lines), LINES_OF_A_FILE))


@pytest.fixture(scope="module")
def lines() -> list[str]:
    found = [line for line, _ in zip(_lines(), range(LINES), strict=False)]
    assert len(found) == LINES
    return found


def _as_source(scrubber: Scrubber) -> Callable[[str], str]:
    def scrub(line: str) -> str:
        out: str = scrubber.scrub({"context_line": line}).payload["context_line"]
        return out

    return scrub


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scrub", "most"),
    [(_as_source(Scrubber()), MAX_SHARE_AS_SOURCE), (scrub_text, MAX_SHARE_AS_TEXT)],
    ids=["as source", "as free text"],
)
def test_source_of_libraries_comes_out_as_it_went_in(
    lines: list[str], scrub: Callable[[str], str], most: float
) -> None:
    altered = [line.strip() for line in lines if scrub(line) != line]
    assert len(altered) <= most * LINES, altered[:40]
