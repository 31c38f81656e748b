"""Values on command lines and in protocol dialogues: curl, database clients, Docker, Redis, SMTP."""

import re
from typing import Final

from .credible import looks_secret
from .harmless import is_harmless, is_scrambled, is_word
from .keys import KeyClass
from .prose import is_random
from .spans import Classify, Span

OPTION: Final = re.compile(
    r"""(?<![\w\-])--?([A-Za-z][\w\-]{1,40})['"]?(?:,\s?|\s{1,4})"""
    r"""(?:\\?["']([^"'\\]{1,400})|([^\s"'\-\[\]{}(),;|&<>][^\s"'\[\]{}();|&<>]{0,400}))"""
)
USER: Final = re.compile(
    r"""(?<![\w\-])(?:-u|-a|--user|--proxy-user|-U|--userpwd|--auth|--creds)['"]?"""
    r"""(?:[ =,]\s?|(?=\w))['"]?([^\s:"']{1,80}):([^\s"']{1,200})"""
)
_CLIENT_FLAGS: Final = {
    "mysql": "-p", "mysqldump": "-p", "mysqladmin": "-p", "mariadb": "-p", "mysqlsh": "-p",
    "sshpass": "-p", "mongosh": "-p", "mongo": "-p", "mongodump": "-p", "mongoexport": "-p",
    "login": "-p", "cqlsh": "-p", "redis-cli": "-a", "ldapsearch": "-w", "ldapmodify": "-w",
    "sqlcmd": "-P", "bcp": "-P", "7z": "-p", "unzip": "-P", "zip": "-P", "influx": "-p", "sqlplus": "-p",
    "smbclient": "-p", "xfreerdp": "/p:", "net": "/p:", "rabbitmqadmin": "-p", "mosquitto_pub": "-P",
    "mosquitto_sub": "-P", "impala-shell": "-p", "vncpasswd": "-p", "expect": "-p", "isql": "-P",
    "clickhouse-client": "-p", "psexec": "-p", "nmap": "-p_", "twine": "-p", "az": "-p", "usermod": "-p",
    "useradd": "-p", "openssl": "-k", "ipmitool": "-P", "beeline": "-p", "vsql": "-w", "tsql": "-P",
    "osql": "-P", "ncftp": "-p", "mongorestore": "-p", "mysqlimport": "-p", "snmpwalk": "-A", "cifs": "-p",
}  # fmt: skip
CLIENT_NAMES: Final = frozenset(_CLIENT_FLAGS)
CLIENT: Final = re.compile(
    r"(?<![\w\-])("
    + "|".join(map(re.escape, sorted(_CLIENT_FLAGS, key=len, reverse=True)))
    + r")(?:\.exe)?['\",]{0,2}\s([^\n|;]{1,400})"
)
PASS_SOURCE: Final = re.compile(r"(?<![\w])pass:([^\s\"']{3,200})")
OTHER: Final = re.compile(
    r"(?:\bssh-keygen\s[^\n]{0,80}?-[NP]\s|\s-U\s[\w.\\]{1,40}%)[\"']?([^\s\"']{3,200})"
)
NET_USE: Final = re.compile(r"\s/user:\S{1,60}\s([^\s\"'/]{3,200})")
# Standard input of a command that reads a password there.
PIPED: Final = re.compile(
    r"\b(?:echo|printf)\s+(?:-\w{1,3}\s+)?(?P<q>[\"']?)(?:[\w.\-]{1,40}:)?([^\s\"'|:]{3,200})"
    r"(?P=q)\s{0,4}\|\s{0,4}"
    r"(?=sudo\s+-\w*S|chpasswd|passwd|su\b|[^\n|]{0,120}?(?:--?pass\w*-stdin|--with-token"
    r"|--passphrase-fd|-stdin\b))"
)
# A user and then his password: `rabbitmqctl add_user bob <password>`.
ADD_USER: Final = re.compile(
    r"\b(?:add_user|change_password|adduser|set_password|passwd set)\s+[\w.@\-]{1,60}\s+[\"']?"
    r"([^\s\"'\-][^\s\"']{4,200})"
)
SPACED: Final = re.compile(
    r"(?<![\w\-.$])_?([A-Za-z]{1,20}(?:[_\-][A-Za-z]{2,20}|"
    r"(?<=[a-z])[A-Z][a-z]{1,20}){1,4})[ \t]{1,4}(?:(?:was|is|of|value)[ ])?"
    r"[\"'`]?([^\s\"'`\[\](){}<>=:,;\\]{6,400}={0,2})(?=[\s,;\"'`\\]|$)"
)
# POP3, FTP and IRC: a line of its own; a login as a list: `["auth", "bob", "<password>"]`.
PASS_LINE: Final = re.compile(
    r"(?:^|\n|['\"> ]{1,3}|b['\"])PASS ([^\s\"'\\/]{5,200})(?=\s*(?:$|[\r\n\"'\\]))"
)
LOGIN_CALL: Final = re.compile(
    r"(?:\b(?:login|log_in|authenticate|sign_in|signin|simple_bind_s?|auth)\(\s?|"
    r"[\"'](?:login|auth|authenticate|signin|sign_in)[\"'],\s?[\"'](?:params|args|arguments"
    r"|data)[\"']:\s?\[\s?)"
    r"b?[\"'][^\"'\n]{1,80}[\"'],\s?b?[\"']([^\"'\n]{5,200})[\"']"
)
LOGIN_LIST: Final = re.compile(
    r"[\[(]\s?[\"'](?:auth|login|authenticate|signin|AUTH|LOGIN)[\"'],\s?"
    r"(?:[\"'][^\"'\n]{1,80}[\"'],\s?)?[\"']([^\"'\n]{5,200})[\"']\s?[\])]"
)
HTPASSWD: Final = re.compile(
    r"\bhtpasswd\s(?:-\w*b\w*\s)(?:-\w+\s){0,4}(?:\S+\s){1,2}([^\s\"']{3,200})(?=\s|$|['\"])"
)
AUTH: Final = re.compile(
    r"(?<![\w\-])(?:AUTH|auth|authenticate|AUTHENTICATE|vault login)[ \t]+(?:(?:PLAIN|LOGIN|XOAUTH2"
    r"|CRAM-MD5|GSSAPI|default)[ \t]+)?([^\s\"'\\()<>,]{4,2000})(?=[ \t]+([^\s\"'\\()<>,]{4,2000})|)"
)
CHALLENGE: Final = re.compile(
    r"334[^\n]{0,80}\n[^\n]{0,40}?(?:send:|C:|>{1,3}|->"
    r"|client:)\s{0,3}b?['\"]?([A-Za-z0-9+/=]{4,2000})(?![\w])"
)
REDIS: Final = re.compile(
    r"(?<![\w])(?:HSET|HMSET|HSETNX|CONFIG SET|MSET|SET|SETEX|GETSET|HELLO)[ \t]([^\n()]{3,2000})"
)
REQUIREPASS: Final = re.compile(
    r"(?<![\w])(?:requirepass|masterauth|ACL SETUSER \w+[^\n>]{0,80}>)\s{0,3}[\"']?([^\s\"')]{3,200})"
)
DOCKERFILE: Final = re.compile(
    r"(?:^|\n|['\"])\s{0,8}(?:ENV|ARG|SETENV)\s+(\w{2,60})[ \t]+[\"']?([^\s\"'=][^\s\"']{2,400})"
)
_FILE: Final = re.compile(r"\.(?:pem|key|crt|cer|csr|p12|pfx|jks|json|ya?ml|txt|conf|env|asc|pub|gpg|py)$")
_BASE64: Final = re.compile(r"^[A-Za-z0-9+/]{8,}={0,2}$")


def find_command(text: str, classify: Classify) -> list[Span]:
    """Spans of values on command lines and in dialogues."""
    spans: list[Span] = []
    if " -" in text or "'-" in text or '"-' in text or text[:1] == "-" or "/p:" in text:
        for match in OPTION.finditer(text):
            kind = classify(match.group(1))
            group = 2 if match.group(2) is not None else 3
            value = match.group(group)
            if (
                kind
                and not is_harmless(value, kind)
                and not is_word(value)
                and not _FILE.search(value)
                and (kind is not KeyClass.WEAK or looks_secret(value))
            ):
                spans.append(Span(match.start(group), match.end(group)))
        spans += [
            Span(match.start(2), match.end(2), "cli")
            for match in USER.finditer(text)
            if not match.group(2).startswith(("[Filtered", "$")) and not match.group(2).isdigit()
        ]
        for match in CLIENT.finditer(text):
            _add_client(spans, match)
        for match in OTHER.finditer(text):
            _add(spans, match)
        for match in HTPASSWD.finditer(text):
            _add(spans, match)
    if "/user:" in text:
        for match in NET_USE.finditer(text):
            _add(spans, match)
    if " " in text and ("_" in text or "-" in text or "Key" in text or "Token" in text or "Secret" in text):
        spans += [
            Span(match.start(2), match.end(2))
            for match in SPACED.finditer(text)
            if classify(match.group(1)) is KeyClass.SECRET and looks_secret(match.group(2))
        ]
    if "|" in text and ("echo" in text or "printf" in text):
        for match in PIPED.finditer(text):
            if not match.group(2).startswith(("$", "[Filtered")):
                spans.append(Span(match.start(2), match.end(2), "cli"))
    if "_user " in text or "password " in text or "adduser " in text or "passwd set " in text:
        spans += [
            Span(match.start(1), match.end(1), "cli")
            for match in ADD_USER.finditer(text)
            if looks_secret(match.group(1))
        ]
    if "PASS " in text:
        spans += [
            Span(match.start(1), match.end(1), "cli")
            for match in PASS_LINE.finditer(text)
            if looks_secret(match.group(1)) and "." not in match.group(1) and "_" not in match.group(1)
        ]
    if '","' in text or "', '" in text or '", "' in text:
        spans += [
            Span(match.start(1), match.end(1), "cli")
            for pattern in (LOGIN_LIST, LOGIN_CALL)
            for match in pattern.finditer(text)
            if looks_secret(match.group(1))
        ]
    if "pass:" in text:
        for match in PASS_SOURCE.finditer(text):
            _add(spans, match)
    if "AUTH" in text or "auth " in text or "authenticate " in text or "vault " in text:
        for match in AUTH.finditer(text):
            for group in (1, 2):
                if group == 2 and match.group(1)[-1] == ":":
                    break
                value = (match.group(group) or "").rstrip(".,;:")
                if (
                    looks_secret(value)
                    or (len(value) >= 12 and _BASE64.match(value) and not value.isalpha())
                    or (match.group().startswith("AUTH") and is_scrambled(value))
                ):
                    spans.append(Span(match.start(group), match.start(group) + len(value), "cli"))
    if "334" in text:
        for match in CHALLENGE.finditer(text):
            _add(spans, match)
    if "SET" in text or "HELLO" in text:
        for match in REDIS.finditer(text):
            _add_redis(spans, match, classify)
    if "requirepass" in text or "masterauth" in text or "SETUSER" in text:
        for match in REQUIREPASS.finditer(text):
            _add(spans, match)
    if "ENV " in text or "ARG " in text:
        for match in DOCKERFILE.finditer(text):
            kind = classify(match.group(1))
            if kind and not is_harmless(match.group(2), kind):
                spans.append(Span(match.start(2), match.end(2)))
    return spans


def _add(spans: list[Span], match: re.Match[str]) -> None:
    value = match.group(1)
    if not value.startswith(("[Filtered", "$")) and not is_word(value):
        spans.append(Span(match.start(1), match.end(1), "cli"))


def _add_client(spans: list[Span], match: re.Match[str]) -> None:
    flag = _CLIENT_FLAGS[match.group(1)]
    attached = match.group(1).startswith(("mysql", "mariadb", "7z")) or flag == "/p:"
    gap = r"['\"]?" if attached else r"['\",]{0,2}[ =]{0,2}['\"]?"
    found = re.search(rf"(?:^|\s|['\"]){re.escape(flag)}{gap}([^\s\"',]{{3,200}})", match.group(2))
    if (
        found
        and not found.group(1).startswith(("[Filtered", "$", "-"))
        and not re.fullmatch(r"[\d:.,\-]+", found.group(1))
    ):
        start = match.start(2)
        spans.append(Span(start + found.start(1), start + found.end(1), "cli"))


def _add_redis(spans: list[Span], match: re.Match[str], classify: Classify) -> None:
    kind = KeyClass.NONE
    for token in re.finditer(r"[^\s]+", match.group(1)):
        word = token.group().strip("'\"")
        if word == "=":
            return
        if kind and not is_harmless(word, kind) and not is_word(word):
            spans.append(Span(match.start(1) + token.start(), match.start(1) + token.end()))
            kind = KeyClass.NONE
            continue
        kind = classify(word) if len(word) <= 60 and "=" not in word else KeyClass.NONE


# Calls that take a user and a password, and lists that pass a credential after its name (`access_token, <value>`).
_BASIC_CALL: Final = re.compile(
    r"(?:Basic|Digest)Auth\(\s?b?(?P<q>[\"'])[^\"'\n]{0,80}(?P=q),\s?b?(?P<r>[\"'])([^\"'\n]{3,200})(?P=r)"
)
_LISTED: Final = re.compile(
    r"(?<![\w.\-])([A-Za-z][\w.\-]{2,40}), ?([A-Za-z0-9][\w\-.~+/=]{15,2000})(?![\w,])"
)


def find_handed(text: str, classify: Classify) -> list[Span]:
    """Spans of credentials that are handed over by their place."""
    spans: list[Span] = []
    if "Auth(" in text:
        spans += [
            Span(match.start(3), match.end(3))
            for match in _BASIC_CALL.finditer(text)
            if not is_harmless(match.group(3), KeyClass.SECRET)
        ]
    if "," in text:
        spans += [
            Span(match.start(2), match.end(2))
            for match in _LISTED.finditer(text)
            if classify(match.group(1)) is KeyClass.SECRET and is_random(match.group(2))
        ]
    return spans
