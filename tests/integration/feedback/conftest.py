"""Every test here starts without a client."""

from tests.support.silence import silence_afterwards

__all__ = ["silence_afterwards"]
