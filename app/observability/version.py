"""Name and version of the release that is reported when SENTRY_RELEASE is not set.

A service that embeds a copy of this folder changes these two values or sets SENTRY_RELEASE.
"""

PACKAGE = "streamapi"
__version__ = "1.0.0"
