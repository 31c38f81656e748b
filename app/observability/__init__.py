"""Observability for a FastAPI service: errors, performance and users, reported to Sentry.

Everything that is public is named here; the rest may change without notice.
"""

from .database import SqlalchemyIntegration
from .feedback import report_feedback
from .handle import Observability
from .operations import operation
from .pipeline import before_send
from .sentry import FastApiIntegration, WebSocketIntegration, init_sentry
from .settings import Mode, ObservabilityConfigError, ObservabilitySettings
from .state import UserContext
from .user import UserTierMiddleware, identify_user
from .websocket import message_transaction

__all__ = [
    "FastApiIntegration",
    "Mode",
    "Observability",
    "ObservabilityConfigError",
    "ObservabilitySettings",
    "SqlalchemyIntegration",
    "UserContext",
    "UserTierMiddleware",
    "WebSocketIntegration",
    "before_send",
    "identify_user",
    "init_sentry",
    "message_transaction",
    "operation",
    "report_feedback",
]
