"""Settles what a request or message leaves behind: swallowed database failures, captured and logged errors.

Called when a failed answer is about to be written, and once more at the end; the second call finds nothing left.
"""

from .dbreports import report_swallowed
from .held import release, settle
from .state import Flow


def conclude(flow: Flow, *, failed: bool) -> str | None:
    """Send what no other event stands for; return the id of the event that stands for the failure, if any.

    Args:
        flow: The request or connection.
        failed: Whether the answer is a failure; then a swallowed database failure, else a logged error, explains it.
    """
    database = report_swallowed(flow, failed=failed)
    if failed and flow.failure_id is None:
        flow.failure_id = database
    release(flow)
    logged = settle(flow, failed=failed)
    if failed and flow.failure_id is None:
        flow.failure_id = logged
    return flow.failure_id
