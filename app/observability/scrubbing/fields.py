"""What the names of fields ask for: the rules for their value, and which fields speak of each other."""

from typing import Final

from .keys import KeyClass
from .text import Mode
from .words import words

MODES: Final = {
    **dict.fromkeys(
        words(
            "filename abs_path module function event_id trace_id span_id parent_span_id timestamp "
            "start_timestamp sdk modules debug_meta raw_function package"
        ),
        Mode.IDENTIFIER,
    ),
    **dict.fromkeys(
        words("release environment platform level dist type category op origin sentry.op sentry.origin"),
        Mode.NAME,
    ),
    **dict.fromkeys(("context_line", "pre_context", "post_context"), Mode.SOURCE),
    **dict.fromkeys(
        (
            "user-agent",
            "user_agent",
            "User-Agent",
            "user_agent.original",
            "http.user_agent",
        ),
        Mode.AGENT,
    ),
    **dict.fromkeys(("server_name", "server.address", "net.peer.name", "host.name"), Mode.HOST),
    **dict.fromkeys(
        ("url", "query_string", "http.query", "url.full", "http.url", "url.query"),
        Mode.URL,
    ),
    **dict.fromkeys(("db.statement", "db.query.text"), Mode.SQL),
}
# Where the name of a value stands in a field of its own, the value in another: {"name": ..., "value": ...}.
NAME_KEYS: Final = (
    "name", "key", "field", "header", "param", "parameter", "k", "column", "attribute", "variable",
    "label", "property", "loc", "type", "id", "Name", "Key", "ParameterKey",
)  # fmt: skip
VALUE_KEYS: Final = words(
    "value val v input input_value content data text old new old_value new_value default current "
    "Value ParameterValue"
)
# Where a list of names stands beside lists of their values.
COLUMN_KEYS: Final = words(
    "names name columns column keys key fields field header headers cols attributes params labels "
    "parameters arg_names argnames"
)
PAIRED_KEYS: Final = VALUE_KEYS | COLUMN_KEYS
_ABOUT: Final = words(
    "type kind expires expires_in expires_at created_at updated_at enabled status active scope scopes "
    "count minlength maxlength min max pattern required format description title min_length max_length "
    "version provider algorithm alg issued_at"
)


def inherits(key: object, kind: KeyClass) -> bool:
    """True if a field of a container under a telling name holds a piece of the thing, not a fact about it."""
    if kind is not KeyClass.SECRET and kind is not KeyClass.WEAK:
        return key in VALUE_KEYS
    return not (isinstance(key, str) and key.lower() in _ABOUT)
