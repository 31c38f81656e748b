"""Says in words what became of the test error: delivery knows it as one word, people read a sentence. Pure."""

from .counters import Fate

WORDS: dict[str, str] = {
    Fate.ACCEPTED: "Sentry has accepted it.",
    Fate.FOLDED: "It is a repeat: another event carries it in its count of occurrences.",
    Fate.BUDGET: "The month's budget has no room left for it (SENTRY_MONTHLY_ERRORS).",
    Fate.FILTERED: "A hook or the last gate decided that it must not go out.",
    Fate.SCRUB_FAILED: "It could not be scrubbed, so it was not sent.",
    Fate.EVENT_PROCESSOR: "An event processor of the application dropped it.",
    Fate.SAMPLE_RATE: "It was not drawn for sampling.",
    Fate.RATE_LIMITED: "Sentry has said to wait before it is sent any more (rate limit, HTTP 429).",
    Fate.REFUSED_BY_QUOTA: "Sentry refused it: the project's quota or rate limit is used up (HTTP 429).",
    Fate.QUEUE_OVERFLOW: "Too many events are waiting in memory.",
    Fate.CACHE_OVERFLOW: "Too many events are waiting on disk, or its file was damaged or taken away.",
    Fate.EXPIRED: "It waited longer than Sentry takes events for.",
    Fate.TOO_LARGE: "Sentry found it too large, also when trimmed (HTTP 413).",
    Fate.SEND_ERROR: "Sentry refused it for good: is SENTRY_DSN that of a project that exists and is enabled?",
    Fate.NETWORK_ERROR: "Sentry could not be reached over the network; it is tried again in the background.",
    Fate.INTERNAL_ERROR: "A fault of this module kept it from being sent.",
}
"""Fate or other word of delivery -> what `/test-sentry` says."""


def in_words(reason: str) -> str:
    """Return a sentence for a reason of delivery; what is a text already is returned as it is."""
    if reason.startswith("HTTP "):
        return f"Sentry answered {reason}; it is tried again in the background."
    return WORDS.get(reason, reason)
