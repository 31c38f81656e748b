"""Draws the added CPU of a run as an SVG: a panel for each work, a bar for each variant."""

from xml.sax.saxutils import escape

from .results import Figure, Results
from .variants import CONTROL, NONE

WIDTH = 760
LABEL_WIDTH = 180
BAR_HEIGHT = 16
ROW_HEIGHT = 22
PANEL_GAP = 34
VALUE_WIDTH = 90
COLOURS = {"ours": "#2f7d4f", "sentry-sdk": "#5b4a8a"}
OTHER_COLOUR = "#9aa3ad"


def draw(results: Results) -> str:
    """Return the SVG document."""
    shapes: list[str] = []
    top = 10
    for work, samples in results.cpu_us.items():
        names = [name for name in samples if name not in (NONE.name, CONTROL.name)]
        added = {name: max(0.0, Figure.of(results.added(work, name)).median) for name in names}
        top = _panel(shapes, work, added, top)
    style = "<style>text{font:12px sans-serif;fill:#24292f}.head{font-weight:bold}</style>"
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    size = f'width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}"'
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n{style}{background}\n{body}\n</svg>\n'
    )


def _panel(shapes: list[str], work: str, added: dict[str, float], top: int) -> int:
    """Add one panel and return where the next one begins."""
    longest = max(added.values(), default=0.0) or 1.0
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    shapes.append(f'<text class="head" x="8" y="{top + 14}">{escape(work)}: added CPU a unit</text>')
    top += ROW_HEIGHT + 4
    for name, value in added.items():
        colour = COLOURS.get(name.split(" ")[0].rstrip(","), OTHER_COLOUR)
        width = max(1.0, value / longest * room)
        middle = top + BAR_HEIGHT - 4
        shapes.append(f'<text x="{LABEL_WIDTH - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>')
        bar = f'x="{LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}"'
        shapes.append(f'<rect {bar} fill="{colour}"/>')
        shapes.append(f'<text x="{LABEL_WIDTH + width + 6:.1f}" y="{middle}">{value:,.0f} us</text>')
        top += ROW_HEIGHT
    return top + PANEL_GAP - ROW_HEIGHT
