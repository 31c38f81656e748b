"""What ops should read in the log about delivery, each thing once a process."""

import logging

logger = logging.getLogger(__name__)

MEANINGS = {
    401: "the DSN's key is not valid. Copy SENTRY_DSN from the project's settings; events are dropped",
    403: "the DSN's key or project is disabled. Look at the project's client keys; events are dropped",
    404: "there is no such project. Copy SENTRY_DSN from the project's settings; events are dropped",
    413: "an event or entry was too large, also after trimming, and is dropped",
    429: "a rate limit or the quota is reached. Errors wait in the spool, the rest is dropped and counted",
}


class Notices:
    """Warn, but not again of the same. Used by one thread."""

    def __init__(self) -> None:
        self._told: set[int | str] = set()

    def refused(self, status: int) -> None:
        """Warn of an answer that trying again does not change."""
        meaning = MEANINGS.get(status, "it will not take the event, which is dropped")
        self._once(status, "Sentry answered HTTP %s: %s", status, meaning)

    def failed(self, failure: Exception) -> None:
        """Warn of a fault of ours. Its text is left out: it may hold what was to be sent."""
        self._once("fault", "An envelope for Sentry failed with %s and is dropped", type(failure).__name__)

    def unreachable(self, error: str | None) -> None:
        """Warn that Sentry cannot be reached, each time it begins."""
        logger.warning("Sentry cannot be reached (%s): events wait and are sent later", error)

    def reached(self) -> None:
        """Say that it is over."""
        logger.info("Sentry is reached again")

    def _once(self, key: int | str, message: str, *arguments: object) -> None:
        if key not in self._told:
            self._told.add(key)
            logger.warning(message, *arguments)
