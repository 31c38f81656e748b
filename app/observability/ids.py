"""Ids of events, traces and spans: random, not secret, and without a call of the system each.

A generator of our own, because an application may seed the one of the `random` module, and every process of it would
then make the same ids. Must not import the SDK.
"""

import os
import random

_random = random.Random()  # noqa: S311 - ids are no secrets

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def random_hex(size: int) -> str:
    """`size` random bytes in hexadecimal digits, two for each."""
    return _random.randbytes(size).hex()
