"""How much of a payload is looked at; what is beyond is not sent."""

from typing import Final

MAX_DEPTH: Final = 60
MAX_NODES: Final = 20_000
MAX_CHARS: Final = 1_048_576
MAX_SECONDS: Final = 0.2
