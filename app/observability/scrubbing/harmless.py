"""Values that give nothing away even under a telling key: masks, placeholders, concepts, reprs of objects."""

import re
from typing import Final

from .keys import KeyClass
from .words import words

_WORDS: Final = words("""
    none null nil undefined nan true false yes no on off missing required optional expired invalid valid
    empty unset set present absent not field redacted filtered hidden masked removed secret_removed
    scrubbed unknown n/a na - -- ? string str int bool integer number object array any bytes float uuid
    dict list type default disabled enabled bearer basic digest token refresh access password email
    refused denied failed error changed updated created sent must should is was are has have had does did
    do can cannot could would will be been being the a an this that it its of to in for from with without
    by at and or but if when while because than then too may might wrong incorrect mismatch mismatched
    exceeded exceeds revoked rotated reset verification verified rejected accepted unauthorized forbidden
    unauthenticated authenticated anonymous guest user active inactive pending ok success found
    unsupported malformed provided supplied given here see your my our their his her you we they no_value
    length minimum maximum min max between least most characters character letters digits symbols needs
    need cannot can't don't doesn't isn't wasn't hasn't won't didn't read write admin openid profile
    offline_access only validation lookup header cookie api key secret session auth csrf cache signature
    authorization already never still now again yet fetched loaded parsed refreshed stored skipped ignored
    match matches matched generated issued received accepted deleted retrieved obtained
""")
_PLACEHOLDER: Final = re.compile(
    r"""^(?:
        \$\{[^}]*\}?|\{\{.*|\$\{\{.*|\$[A-Za-z_]\w*|\$\d{1,3}|\$\([a-z]{1,20}\b.*|%[-+\#0-9.]{0,6}[a-z]|%\(\w+\)[a-z]|%\{[^}]*\}|:\w+|\?|\{[\w.!:]*\}|@(?-i:[a-z_]{1,30})
        |<[\w \-./]{1,40}>|\[[A-Z_ \-]{3,40}\]|\[Filtered.*|\[Truncated.*
        |!(?:vault|secret|sub|ref|env|include|encrypted)
        |os\.(?:environ|getenv).*|env\(.*|getenv\(.*|process\.env\.\w+|settings\.[\w.]+|config[.\[].*|self\.[\w.]+
        |secrets\.[\w.]+|(?:str|int|bool|bytes|dict|list|Optional|Annotated|SecretStr|Union)\b[\[\]\w|\s.,=()]*
        |(?:Secret(?:Str|Bytes)|SecretValue|Secret)\((?:b?['"]\**['"])?\)?
        |(?:changeme|change_me|your[-_ ].*|example|placeholder|todo|tbd|xxx+)
    )$""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
# Names of methods, algorithms and spans of time: `auth=oauth2`, `signature: sha256`, `session: 15m`.
_CONCEPT: Final = re.compile(
    r"^(?:o?auth[012]?|oidc|openid|saml2?|sso|ldaps?|kerberos5?|ntlmv?2?|u2f|fido2?|webauthn"
    r"|x509|mtls|pkce|none"
    r"|(?:hmac[-_])?(?:sha-?[0-9]{1,3}|md5|sha3-\d{3})|[hrep]s(?:256|384|512)|eddsa|ed25519"
    r"|base-?(?:32|64)(?:url)?"
    r"|(?:aes|rsa|ec|des)[-_]?\d{0,4}(?:[-_][a-z0-9]{2,4}){0,2}|pkcs\d{1,2}|bcrypt|scrypt|argon2(?:id|i|d)?"
    r"|pbkdf2(?:[-_]\w{3,8})?|-1|v\d{1,2}(?:\.\d{1,2}){0,2}|\d{1,6}(?:ms|s|m|h|d|w)|http[12]?"
    r"|utf-?8|ipv[46])$",
    re.IGNORECASE,
)
_OBJECT: Final = re.compile(
    r"^(?:<(?:class|function|bound method|module|built-in|coroutine|Task|Future|generator|async_generator"
    r"|property)\b.*"
    r"|<[\w.<>\[\], ]+ (?:object )?at 0x[0-9a-fA-F]+.*>?|<[A-Z]\w*(?:\.\w+)*(?:[ :]\d+)?>|<[\w.]+ [\w.]+: .*>"
    r"|functools\.partial\(.*|[A-Z]\w*(?:\.\w+)*\(\)|[A-Z]\w*\.[A-Z_]+|[\w.]+\[[\w.\[\], ]+\]"
    r"|PydanticUndefined\w*|Ellipsis|\.\.\.)$",
    re.DOTALL,
)
_MASK: Final = re.compile(r"[*•●·\u2217]{2,}|(?<![A-Za-z])[xX]{3,}(?![A-Za-z])|…|\.{3,}|#{3,}|█")
_find_mask: Final = re.compile("[*•●·\u2217xX….#█]").search
_SIMPLE: Final = re.compile(r"^[a-zA-Z]+(?:[-_. ][a-zA-Z]+){0,4}$")
_CODE: Final = re.compile(r"^\d{3,10}$|^\d{3}[- ]\d{3}$|^(?=(?:[A-Za-z]*\d){3})[A-Za-z0-9]{4,10}$")
_LONG_CODE: Final = re.compile(
    r"^(?=[A-Za-z\d]*[A-Za-z])(?:(?=(?:[A-Za-z]*\d){2})|(?=\d*[a-z]+\d*[A-Z])"
    r"(?=[A-Za-z]*\d))[A-Za-z0-9]{8,64}$"
)
_DATE: Final = re.compile(r"^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?$")
_PATHLIKE: Final = re.compile(r"^(?:https?://|/|\./|[A-Za-z]:\\|[\w\-.]+/[\w\-./]*$)")
_HOST: Final = re.compile(
    r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-fA-F:]*:[0-9a-fA-F:]+\]?|[\w\-]+(?:\.[\w\-]+)*)(?::\d{1,5})?$"
)
_UUID: Final = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE)


def is_concept(value: str) -> bool:
    """True for the name of a method or an algorithm, a version or a span of time."""
    return _CONCEPT.match(value) is not None


def is_masked(value: str) -> bool:
    """True if somebody already masked the value and what is left is too short to matter."""
    found = _MASK.search(value) if _find_mask(value) else None
    if not found:
        return False
    if "@" in value and found.end() < value.find("@") + 4 and found.start() <= 3:
        return True
    if found.start() == 0 and found.end() >= 3 and value[found.end() : found.end() + 1] in (" ", "(", ""):
        return True
    rest = len(_MASK.sub("", value))
    return rest <= 12 and rest <= max(4, (found.end() - found.start()) * 3)


def is_word(value: str) -> bool:
    """True for a word of plain English that says something about a secret and cannot be one."""
    return value.lower().strip(".,;:!?'\"()[]") in _WORDS


def is_harmless(value: str, kind: KeyClass) -> bool:
    """True if the value may stay although its key is of this kind."""
    value = value.strip()
    if kind is KeyClass.WEAK and not looks_opaque(value):
        return True
    if not value or value.lower().strip("()<>[]") in _WORDS or value.startswith("[Filtered"):
        return True
    if len(value) < 200 and (_PLACEHOLDER.match(value) or is_masked(value) or _CONCEPT.match(value)):
        return True
    if value[0] in "<fPE.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" and _OBJECT.match(value[:400]):
        return True
    if kind is KeyClass.CODE:
        return not _CODE.match(value) and not _LONG_CODE.match(value)
    if kind is KeyClass.RANDOM:
        return not is_random(value)
    if kind is KeyClass.PLACE:
        if _HOST.match(value) and not value.isdigit():
            return True
        return not any(c.isdigit() for c in value) or value.startswith(("0x", "http", "tcp:", "/"))
    return False


def looks_opaque(value: str) -> bool:
    """True for what reads like a credential and not like a word, number, date, path, identifier or UUID."""
    if len(value) < 6 or value.isdigit() or _DATE.match(value):
        return False
    if _SIMPLE.match(value):
        mixed = not (value.islower() or value.isupper() or value.istitle())
        return len(value) >= 16 and mixed and value.isalpha() and not _CAMEL_WORDS.match(value)
    if _UUID.match(value) or (_PATHLIKE.match(value) and not _is_base64(value)):
        return False
    if value[0] in "<{[(":
        return False
    return any(map(str.isdigit, value)) or (not value.isalnum() and " " not in value and len(value) >= 8)


_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}$")


def _is_base64(value: str) -> bool:
    """True for base64 with slashes, which is no path: one of its pieces mixes cases and digits as no folder does."""
    return (
        value[0] != "/"
        and _BASE64.match(value) is not None
        and any(is_random(piece) for piece in value.rstrip("=").split("/"))
    )


_RUN: Final = re.compile(r"[A-Za-z0-9_\-+/~.]{20,512}={0,2}$")


def is_random(value: str) -> bool:
    """True for a long run that mixes upper case, lower case and digits as no id, path or word does."""
    if not _RUN.match(value) or _UUID.match(value) or _PATHLIKE.match(value):
        return False
    has_digit = any(c.isdigit() for c in value)
    return has_digit and any(c.isupper() for c in value) and any(c.islower() for c in value)


_CAMEL_WORDS: Final = re.compile(r"^[a-z]*(?:[A-Z]{1,5}[a-z]{2,})*[A-Z]{0,4}$")


def is_scrambled(value: str) -> bool:
    """True for letters whose case changes as in no word and no name of a class."""
    return (
        len(value) >= 8
        and value.isalpha()
        and value.isascii()
        and not (value.islower() or _CAMEL_WORDS.match(value))
        and 3 * len(value) <= 10 * sum(c.isupper() for c in value) <= 8 * len(value)
    )


_NO_JOINTS: Final = {ord(char): None for char in "_-."}


def is_wordy(value: str) -> bool:
    """True for words and identifiers in any case; a long mix of cases that spells nothing is none."""
    letters = value.translate(_NO_JOINTS)
    if not letters.isalpha():
        return False
    return len(value) < 16 or letters != value or bool(_CAMEL_WORDS.match(value))
