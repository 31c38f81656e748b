"""SQL and what databases and their drivers say: literals, parameters, rows, and values echoed back in errors."""

import re
from typing import Final

from .credible import looks_secret
from .harmless import is_word
from .spans import Classify, Span
from .words import words

SQL: Final = re.compile(
    r"(?:^|\[SQL: |STATEMENT:\s+|QUERY:\s+|(?<=[\"'(:] )"
    r"|(?<=[\"'(`]))\s{0,8}(?:/\*.{0,200}?\*/\s{0,4})?(?:SELECT\s|INSERT\s+INTO\s"
    r"|UPDATE\s+[\w.\"`]+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s|MERGE\s+INTO|CREATE\s+(?:USER|ROLE"
    r"|TABLE|SERVER|LOGIN)"
    r"|ALTER\s+(?:USER|ROLE|LOGIN|SYSTEM)|CALL\s+\w+\(|EXEC(?:UTE)?\s|REPLACE\s+INTO|COPY\s+\w+"
    r"|SET\s+[\w.]+\s*(?:=|TO)|GRANT\s)",
    re.IGNORECASE,
)
LITERAL: Final = re.compile(r"(?<![\w])[eEnN]?'((?:[^'\\]|''|\\.){0,4000})(?:'|\Z)")
# A code of numbers alone, told by its column from a status or a country.
CODE_LITERAL: Final = re.compile(
    r"\b(?:(?:\w{0,40}_)?(?:otp|pin|tan|totp|cvv|cvc)(?:_code)?|code|\w{0,40}(?:verification|confirmation|login|sms|reset"
    r"|auth|mfa|activation|security)_code)\"?\s{0,3}(?:=|<>|!=|LIKE)\s{0,3}'(\d{4,8})'",
    re.IGNORECASE,
)
DOLLAR: Final = re.compile(r"\$(\w{0,20})\$(.{1,4000}?)\$\1\$", re.DOTALL)
_PLAIN: Final = re.compile(
    r"^(?:[a-z]{1,16}(?:_[a-z]{1,16}){0,3}|[%_?: ,.\-/]{0,3}|\d{1,4} ?(?:second|minute|hour|day|week"
    r"|month|year|sec|min|hr)s?|\d{4}-\d\d-\d\d(?:[ T][\d:.+Z\-]{4,20})?|\d{1,6}|utf-?8|[A-Z]{1,4}"
    r"|\$\.?[\w.\[\]*]{1,60}|YYYY[\w\-: ]*|\[Filtered.*|\?)$"
)
_INSERT: Final = re.compile(r"\bVALUES\s*\(|PASSWORD|IDENTIFIED\s+BY|crypt\s*\(|digest\s*\(", re.IGNORECASE)
_PARAMETERS_START: Final = re.compile(r"\[parameters: |\bparameters: (?=\$1)")
_PARAMETERS_END: Final = re.compile(r"\]\s*(?:\n|\(Background|$)")
# As SQLAlchemy logs a statement's parameters.
_LOGGED_PARAMETERS: Final = re.compile(
    r"\[(?:cached since|generated in) [^\]\n]{1,40}\] [(\[{]([^\n]{2,4000})[)\]}]"
)
_ONLY_NUMBERS: Final = re.compile(r"[\s\d.,()\[\]{}]*(?:None|True|False|null|[\s\d.,()\[\]{}])*$")
KEY: Final = re.compile(
    r"Key \(([^\n]{1,300}?)\)=\((.{0,2000}?)\)(?= already| is not| is still| conflicts|\.|$|\n)",
    re.DOTALL,
)
_ROW_START: Final = re.compile(r"Failing row contains \(")
_ROW_END: Final = re.compile(r"\)\.?(?:\s*\n|$|['\"\\])")
MYSQL_DUPLICATE: Final = re.compile(r"Duplicate entry '(.{1,400}?)' for key '?([\w.]{1,80})")
ARGUMENT: Final = re.compile(
    r"invalid input for query argument \$\d+: (.{1,2000}?)(?= \([^()\n]{0,200}(?:\([^()\n]{0,80}\)){0,2}\)?$|$|\n)"
)
# Libraries quote what they could not parse; with a mis-typed connection URL that is the password.
ECHO: Final = re.compile(
    r"(?:invalid (?:(?:integer|boolean|[\w\-]{2,24}) )?value(?: for parameter \"\w{1,40}\")?:?"
    r"|with args beginning with:|invalid literal for int\(\) with base \d+:"
    r"|could not convert string to float:|could not be cast to integer value as"
    r"|nonnumeric port:|converted to integer:"
    r"|\bport(?= [\"'])"
    r"|[Ii]nvalid port:?"
    r"|bad value for \w{2,30}:|could not translate host name|failed to resolve host"
    r"|Temporary failure resolving|missing \"=\" after|[Ii]nvalid (?:connection option|URI query parameter"
    r"|percent-encoded token|dsn|port number|hostname|URL|channel_binding value|isoformat string"
    r"|header value|token|date|number|email|uuid|input)[\w ]{0,20}:?"
    r"|invalid input syntax for (?:type )?[\w ]{2,30}:|invalid input value for enum \w{1,60}:"
    r"|value too long for [\w ()]{1,60}:|in header value:|time data|input_value=|Unknown database"
    r"|Access denied for user|unsupported scheme|Failed to parse:?|Invalid URL|not a valid \w{1,30}:?"
    r"|Could not parse[\w ]{0,40}|cannot parse[\w ]{0,20}:?|Unexpected value:?|invalid choice:"
    r"|unrecognized arguments?:|unknown (?:option|argument|url type):?"
    r"|No connection adapters were found for|Name or service not known:|encode characters? in"
    r"|does not match|\bfound:|unexpected spaces found in)"
    r"\s{0,3}b?(\\?[\"'])(.{3,400}?)\1",
)
# MySQL names the column after the value.
OF_COLUMN: Final = re.compile(
    r"[Ii]ncorrect [\w ]{2,30}value: '([^'\n]{3,400})' for column [`'\"]?"
    r"(?:[`'\".\w]{0,60}\.)?[`'\"]?(\w{2,60})"
)
IDENTIFIED: Final = re.compile(
    r"\bidentified\s+(?:with\s+\S{1,40}\s+)?(?:by|as)\s+(?:password\s+)?(['\"])([^'\"\n]{3,200})\1",
    re.IGNORECASE,
)
_COMMAND_ARGS: Final = re.compile(r"with args beginning with:((?:\s{0,2}['`][^'`\n]{0,200}['`],?){1,10})")
_COMMAND_ARG: Final = re.compile(r"['`]([^'`]{3,200})['`]")
_ECHO_WORDS: Final = (
    "nvalid", "ould not", "not known", "to integer", "port '", 'port "', "onnumeric", "bad value",
    "ailed", "ailure", "missing ", "too long", "header value", "time data", "input_value", "nknown",
    "denied", "nsupported", "parse", "Unexpected", "unrecognized", "adapters", "codec", "does not",
    "not a valid", "not in list", "encode", "found:", "spaces found",
)  # fmt: skip
SQL_VERBS: Final = (
    "select", "insert ", "update ", "delete ", " as (", "merge ", "create ", "alter ", "call ", "exec",
    "replace ", "copy ", "set ", "grant ",
)  # fmt: skip
SUBJECT: Final = re.compile(
    r"(?:^|^ValueError: |value |unknown command )(['\"])(.{6,200}?)\1 (?:is not a valid \w+"
    r"|is out of range|does not appear to be|is not in list|is not a valid)"
)
_HOST: Final = re.compile(r"^[a-z0-9]+(?:[.\-][a-z0-9]+)*(?::\d+)?$")


def find_database(text: str, classify: Classify, is_sql: bool) -> list[Span]:
    """Spans of literals, parameters, rows and echoed values."""
    spans: list[Span] = []
    if is_sql:
        _add_literals(spans, text)
        spans += [Span(match.start(1), match.end(1), "sql") for match in CODE_LITERAL.finditer(text)]
    if "arameters: " in text:
        spans += [
            Span(start, end, "parameters")
            for start, end in _between(text, _PARAMETERS_START, _PARAMETERS_END)
            if not _ONLY_NUMBERS.match(text, start, end)
        ]
    if "] " in text and ("cached since" in text or "generated in" in text):
        spans += [
            Span(match.start(1), match.end(1), "parameters")
            for match in _LOGGED_PARAMETERS.finditer(text)
            if not _ONLY_NUMBERS.match(text, match.start(1), match.end(1))
        ]
    if "Key (" in text:
        for match in KEY.finditer(text):
            columns = re.split(r"[,()\s\"]+|::\w+", match.group(1))
            if any(classify(column) for column in columns) and not match.group(2).startswith("[Filtered"):
                spans.append(Span(match.start(2), match.end(2), "row"))
    if "Failing row" in text:
        spans += [Span(start, end, "row") for start, end in _between(text, _ROW_START, _ROW_END)]
    if "Duplicate entry" in text:
        spans += [
            Span(match.start(1), match.end(1), "row")
            for match in MYSQL_DUPLICATE.finditer(text)
            if classify(match.group(2).rpartition(".")[2]) or looks_echoed(match.group(1))
        ]
    if "for column" in text:
        spans += [
            Span(match.start(1), match.end(1), "echo")
            for match in OF_COLUMN.finditer(text)
            if classify(match.group(2))
        ]
    if "dentified" in text or "DENTIFIED" in text:
        spans += [
            Span(match.start(2), match.end(2), "sql")
            for match in IDENTIFIED.finditer(text)
            if not match.group(2).startswith("[Filtered")
        ]
    if "query argument" in text:
        for match in ARGUMENT.finditer(text):
            value = match.group(1).strip("'\"")
            if looks_echoed(value):
                spans.append(Span(match.start(1), match.end(1), "echo"))
    if "with args beginning with" in text:
        for args in _COMMAND_ARGS.finditer(text):
            spans += [
                Span(item.start(1), item.end(1), "echo")
                for item in _COMMAND_ARG.finditer(text, args.start(1), args.end(1))
                if looks_echoed(item.group(1))
            ]
    if ("'" in text or '"' in text) and any(word in text for word in _ECHO_WORDS):
        for pattern in (ECHO, SUBJECT):
            for match in pattern.finditer(text):
                said = match.group()[:40]
                if said.startswith("unexpected spaces") and not match.group(2).startswith("[Filtered"):
                    spans.append(Span(match.start(2), match.end(2), "echo"))
                    continue
                if looks_echoed(match.group(2).strip(" %"), "host" in said) or (
                    ("to integer" in said or "port" in said)
                    and match.group(2).isalnum()
                    and (looks_secret(match.group(2)) or _is_no_service(match.group(2)))
                ):
                    spans.append(Span(match.start(2), match.end(2), "echo"))
    return spans


def _is_no_service(value: str) -> bool:
    """True for letters in place of a port that name neither a service nor a mistake: the rest of a password."""
    return (
        len(value) >= 6
        and value.isalpha()
        and value.islower()
        and not is_word(value)
        and value not in _SERVICES
    )


_SERVICES: Final = words(
    "postgres postgresql redis mysql mongo mongodb rabbitmq amqp kafka default number integer string service "
    "random standard secure server client proxy nginx apache memcached elastic database domain socket twelve "
    "eleven thirteen thousand hundred notanint notaport notanumber foobar invalid example"
)


def _between(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> list[tuple[int, int]]:
    """What stands between an opening and the next closing, or the end of a text that was cut off."""
    found = []
    opened = opening.search(text)
    while opened:
        closed = closing.search(text, opened.end())
        end = closed.start() if closed else len(text)
        if opened.end() < end and not text.startswith("[Filtered", opened.end()):
            found.append((opened.end(), end))
        opened = opening.search(text, end)
    return found


def looks_echoed(value: str, is_host: bool = False) -> bool:
    """True if an echoed value reads like a password rather than like a word, number, date, host or id."""
    if "@" in value and any(c.isdigit() for c in value) and " " not in value and "://" not in value:
        return not value.startswith("[")
    if not looks_secret(value) or " " in value or value.startswith("["):
        return False
    if (
        "://" in value
        or re.match(r"^\d+(?:[.,]\d+)*[a-z%]{0,3}$", value)
        or re.match(r"^[\d.,:/TZ+\- ]+$", value)
    ):
        return False
    if any(c in "!#$%^&*@~?" for c in value):
        return True
    if is_host and (_HOST.match(value) or "." in value):
        return False
    upper, lower = any(c.isupper() for c in value), any(c.islower() for c in value)
    if upper and lower:
        return len(value) >= 6
    if re.match(r"^[0-9a-f]{8}-[0-9a-f]{4}-", value) or re.match(r"^[0-9a-f]{24,}$", value) or "_" in value:
        return False
    if re.match(r"^[a-z]{3,}(?:-[a-z]{3,})+\d{1,4}$", value):
        return True
    return len(value) >= 8 and value.isalnum() and lower and sum(c.isdigit() for c in value) >= 2


def _add_literals(spans: list[Span], text: str) -> None:
    strict = _INSERT.search(text) is not None
    for match in LITERAL.finditer(text):
        inner = match.group(1)
        if (
            inner
            and not inner.startswith("[Filtered")
            and inner != "?"
            and ((strict and len(inner) > 3) or not _PLAIN.match(inner))
        ):
            spans.append(Span(match.start(1), match.end(1), "sql"))
    if "$$" in text or "$" in text:
        spans += [
            Span(match.start(2), match.end(2), "sql")
            for match in DOLLAR.finditer(text)
            if not match.group(2).startswith("[Filtered")
        ]
