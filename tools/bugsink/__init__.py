"""Bugsink, a Sentry-compatible server, from an environment of its own and on loopback only.

A tool for tests and for `make dashboard`; no part of it is shipped with the service.
"""

from .install import install
from .server import BugsinkServer

__all__ = ["BugsinkServer", "install"]
