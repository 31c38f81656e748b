"""The answer to an unhandled error when the service has no handler of its own: JSON, or a page for browsers."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .capture import capture_error
from .failure import behind, is_client_gone
from .feedback import FORM_PATH
from .pages import wants_html
from .state import current_flow
from .visitors import visitor_page

MECHANISM = "fastapi"


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer 500 with the id of the event that stands for this failure, for the feedback dialog and for support."""
    flow = current_flow()
    event_id = flow.failure_id if flow is not None else None
    failure = behind(error, flow)
    is_unseen = event_id is None and flow is not None and not is_client_gone(failure, flow)
    if is_unseen and flow is not None and not flow.is_quiet:  # a mounted application answers first
        event_id = flow.failure_id = capture_error(failure, handled=False, mechanism=MECHANISM)
    if wants_html(request.scope):
        # the flow's root path, not the request's: in a mounted application that one ends in the mount's path
        root_path = flow.root_path if flow is not None else ""
        return visitor_page("error.html", 500, event_id=event_id, form_path=root_path + FORM_PATH)
    return JSONResponse({"detail": "Internal Server Error", "event_id": event_id}, status_code=500)
