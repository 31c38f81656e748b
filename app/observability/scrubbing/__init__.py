"""The one scrubber: what leaves the process goes through here. Pure Python, standard library only.

Nothing here imports the SDK or logs; nothing raises on any payload that is a dict, and nothing changes its input.
"""

from .engine import Scrubbed, Scrubber, scrub_event, scrub_text
from .minimal import minimal_event
from .walk import Removal

__all__ = [
    "Removal",
    "Scrubbed",
    "Scrubber",
    "minimal_event",
    "scrub_event",
    "scrub_text",
]
