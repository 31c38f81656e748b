"""What a budget answers: a verdict on an occurrence, and counts to be sent as events of their own. Pure data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .folding import FoldKey, Reason


@dataclass(frozen=True, slots=True)
class Tally:
    """A count to be sent as one more event of its kind; already paid, and counted as reported.

    `sample` is what the caller last gave for this kind, or None (after a restart, or for `OTHERS`);
    `is_scrubbed` says that it came through `remember`. `unpaid` is the id of an event that was given to `wait`: that
    event is to be sent.
    """

    key: FoldKey
    occurrences: int
    reason: Reason
    sample: Any
    is_scrubbed: bool
    unpaid: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with an error: `occurrences` goes on the event if it is admitted, and is 0 if not.

    `instead` is an earlier event of its kind that waited to be paid for: it is to be sent, and stands for both.
    """

    admit: bool
    occurrences: int
    reason: Reason
    instead: Tally | None = None


class Payment(StrEnum):
    """Whether a test error was paid for, or why it must not be sent."""

    PAID = "paid"
    DAY_IS_FULL = "day_is_full"
    NO_ROOM = "no_room"


FOLDED = Verdict(admit=False, occurrences=0, reason=Reason.FOLDED)
HELD_BACK = Verdict(admit=False, occurrences=0, reason=Reason.BUDGET)
