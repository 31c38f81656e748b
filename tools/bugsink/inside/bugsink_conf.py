"""Bugsink's settings, for one user on this machine. Read by Bugsink itself, in its own environment.

The folder for data, the port and the secret come from the variables that `server.py` sets.
"""

import os
from pathlib import Path

from bugsink.settings.default import *  # noqa: F403  (how Bugsink wants its settings to be derived)
from bugsink.settings.default import DATABASES, LOGGING, MIDDLEWARE

_DATA = Path(os.environ["BUGSINK_DATA"])
_AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"

SECRET_KEY = os.environ["BUGSINK_SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
TIME_ZONE = "UTC"
DATABASES["default"]["NAME"] = str(_DATA / "db.sqlite3")
DATABASES["snappea"]["NAME"] = str(_DATA / "snappea.sqlite3")
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
LOGGING["loggers"]["bugsink"]["level"] = "WARNING"

# Events are digested in the request that brings them: no worker process.
SNAPPEA = {"TASK_ALWAYS_EAGER": True}

_login = MIDDLEWARE.index(_AUTHENTICATION) + 1
MIDDLEWARE = [
    "loopback.KeepSendingTraces",
    "loopback.AcceptPlainEventIds",
    *MIDDLEWARE[:_login],
    "loopback.LogLoopbackVisitorIn",
    *MIDDLEWARE[_login:],
]

BUGSINK = {
    "BASE_URL": f"http://127.0.0.1:{os.environ['BUGSINK_PORT']}",
    "SITE_TITLE": "StreamAPI on this machine",
    # Its licence is free for one person only.
    "SINGLE_USER": True,
    "SINGLE_TEAM": True,
    "USER_REGISTRATION": "CB_NOBODY",
    "PHONEHOME": False,
    # "strict" refuses what the SDK's own capture_message sends.
    "VALIDATE_ON_DIGEST": "warn",
    # Raw envelopes show the item types that Bugsink answers with 200 and throws away.
    "KEEP_ENVELOPES": 1000,
    "MAX_EVENTS_PER_PROJECT_PER_5_MINUTES": 1_000_000,
    "MAX_EVENTS_PER_PROJECT_PER_HOUR": 1_000_000,
    "MAX_EVENTS_PER_5_MINUTES": 1_000_000,
    "MAX_EVENTS_PER_HOUR": 1_000_000,
}
