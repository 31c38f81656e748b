"""Secrets in sentences that look like words: passphrases, seed phrases, and what was compared with a secret."""

import re
from typing import Final

from .credible import looks_secret
from .harmless import is_random, is_word, looks_opaque
from .spans import Span
from .words import words

# Twelve words or more in a row that are all short: a seed phrase has no articles and no long words.
_SEED: Final = re.compile(
    r"(?:mnemonic|seed|recovery|backup|wallet)(?: (?:phrase|words|seed))?(?:\s{0,2}[:=(]|\s"
    r"(?:is|was|of))?\s{0,3}[\"'`]?"
    r"((?:[a-z]{3,8},?[ \n]){11,23}[a-z]{3,8})(?![a-z])"
)
_PHRASE: Final = re.compile(
    r"(?<![\w\-.])(?P<head>pass(?:word|phrase|wort|code)|pwd?|kennwort|contraseña|senha|mot de passe)"
    r"(?P<link>\s?[:=]|\s(?:is|was|ist|lautet|es|est|é)(?:\s?:)?)?\s(?P<q>[\"'`\u201c\u2018])?"
    r"(?P<value>[a-z]{3,16}(?:[ \-][a-z]{3,12}){0,11})(?![\w@=:(/])",
    re.IGNORECASE,
)
_OWNED: Final = re.compile(
    r"\b(?:my|his|her|their|our|new|temporary|current|old|default|mein|dein|ihr|mi|tu|ma"
    r"|minha)\s(?:\w{1,10}\s)?$"
)
# What can be said of a password: these endings and these words end a phrase, they are none.
_SAID: Final = re.compile(
    r".{2,}(?:ed|ing|able|ible|ive|ful|less|ly|ous|ent|ant|ory|ary|ic|al|sive|tten|den|own|ish)$"
)
_SAYING: Final = words("""
    weak strong short long ok okay fine good bad blank same secure unsafe safe common easy hard simple complex
    case sensitive plain text plaintext clear cleartext hash hashed salt salted new old stale reused equal
    unequal alike known due there gone lost broken right true incorrect mandatory obsolete unique
    too so very quite just also only always up down out over under about like such more less less than
    that this what which who why how where both either neither nor yet once twice again login user name
    username field form page policy rule check manager database account admin root guest email mail phone
    prompt input value string number empty null none failing working kaputt falsch richtig korrekt
    erforderlich abgelaufen ungültig incorrecta inválida obligatoria incorrect expired inválido errada
    incorreta obrigatória requis requise obligatoire expiré invalide bitte nicht nie leer zu kein
    identical different similar older newer longer shorter ready kept set sent and with without for from
    against using via per mine yours ours theirs hers his here stuff thing things anything something nothing
    everything work works fails fail reset resets change changes because since until unless please thanks
    thank sorry hello managed handled bcrypt argon scrypt data security protection authentication
    hashing encryption complexity strength length history generator length minimum maximum
""")
_ENDS: Final = words("and but it which when while because since or so then for in on at to with from if as")
_COMPARED: Final = re.compile(
    r"\b(?:got|expected|received|computed|calculated|actual|provided|wanted|saw|instead of"
    r"|but was|want|have)\b"
    r"(?: (?:value|signature|token|digest|hash|secret|csrf|key|cookie))?[ :=]{1,3}[\"'`(<]?"
    r"([A-Za-z0-9_\-+/=.]{12,400})",
    re.IGNORECASE,
)
_COMPARED_THINGS: Final = (
    "key must",
    "key should",
    "signature",
    "token",
    "hmac",
    "secret",
    "csrf",
    "xsrf",
    "password",
    "nonce",
    "credential",
    "session id",
    "api key",
)
# A lone word that somebody used as a password, not a thing that passwords have.
_USED: Final = re.compile(
    r"\b(?:with|using|by) (?:the |an? |wrong |new |old )?pass(?:word|phrase|wd) ([a-z]{6,30})"
    r"(?=$|[.,;)!\n]|\s(?:for|from|at|on|failed|rejected|denied|is|was|did|does|as)\b)"
)
_HAD: Final = words("""
    recovery expiry access grant grants credential store storage vault screen dialog callback backend backends
    header headers mode type types variable argument arguments flag flags parameter parameters option options
    credentials support entry entries import export backup backups changes updates attempt attempts enabled
    disabled allowed column columns fields forms policies rules managers prompts protected required default
    resets logins verify helper helpers widget widgets dictionary history hashes spray sprays spraying stuffing
""")
_ABSTRACT: Final = re.compile(r".{2,}(?:tion|tions|ment|ments|ity|ness|ance|ence|ism|ize|ise|ure)$")
# What is wrong with a secret, and then the secret.
_WRONG: Final = re.compile(
    r"\b(?:token|secret|password|passphrase|signature|api key|access key|credentials?|session)\b"
    r"(?: [\w\-]{1,20}){1,7}? (?:invalid|incorrect|wrong|malformed|expired|rejected|unknown|revoked"
    r"|unrecognized|denied)"
    r" ?: ?[\"'`]?([^\s\"'`]{8,1000})",
    re.IGNORECASE,
)
# A secret that somebody made or took, some words, and a colon before it: only a run that mixes cases and digits.
_ANNOUNCED: Final = re.compile(
    r"\b(?:tokens?|secrets?|passwords?|passphrase|signature|(?:api|access|secret|private)[ _\-]?key|credentials?"
    r"|cookie)(?: [\w\-@.#]{1,30}){1,6}? ?: ?[\"'`]?([A-Za-z0-9_\-+/.=~]{16,1000})",
    re.IGNORECASE,
)
# What came instead of a password may be short.
_INSTEAD: Final = re.compile(
    r"\bpass(?:word|phrase|wd)\b[^\n]{0,60}?\b(?:got|received|but was|instead of)[ :]{1,3}[\"']([^\s\"']{6,100})[\"']",
    re.IGNORECASE,
)
_LOGIN: Final = re.compile(
    r"(?<![\w/.])(?:login|user|authenticating|authenticate|logging in(?: as)?|signing in(?: as)?"
    r"|credentials?|creds|auth(?:entication)? failed for)\s[(\"'`]?"
    r"([\w.@\-]{2,60}?)(?:\s?/\s?|, |:)([^\s\"'`,/:()]{6,100})[)\"'`]?(?=\s|$|[,.;])",
    re.IGNORECASE,
)
# A title, a salutation or a role, and then a first and a last name.
_CALLED: Final = re.compile(
    r"\b(?:(?:Dear|Mr|Mrs|Ms|Dr|Prof|Frau|Herr|Monsieur|Madame|Mme|Señora?|Sra?|Signora?)\.?"
    r"|(?:[Pp]atient|[Cc]ard ?holder|[Aa]ccount holder|[Pp]assenger|[Bb]eneficiary"
    r"|[Aa]pplicant|[Pp]olicy ?holder|[Ff]ull name)):?"
    r"\s[\"']?([A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ'\u2019\-]{1,30}(?: [A-ZÀ-ÖØ-Þ]\.)?(?: (?:van|von|de|del"
    r"|da|di|la) )?\s?[A-ZÀ-ÖØ-Þ][A-Za-zà-öø-ÿ'\u2019\-]{1,30})(?![\w(])"
)
_NO_NAMES: Final = words("""
    sir madam customer customers user users team support service services record records id name data api all
    guest member friend colleague client sirs error errors portal not is must has was does list group number
    details detail info information status type table system history repository model schema class manager
    controller handler view page form app application account card order orders index search check
""")
# Names of accounts that every system has, and a password after them.
_ADMIN: Final = re.compile(
    r"(?<![\w/.:@\-])(?:admin|root|administrator|postgres|superuser|sysadmin|sa)(?::| / )"
    r"([^\s\"'`,/:()@]{6,100})(?=\s|$|[,.;])",
    re.IGNORECASE,
)
_MAX_MATCHES: Final = 200


def find_phrases(text: str, low: str, has_digit: bool) -> list[Span]:
    """Spans of passphrases, of compared secrets and of a login's second half.

    Args:
        text: the text.
        low: the same in lower case.
        has_digit: whether it holds any digit.
    """
    spans: list[Span] = []
    if len(low) != len(text):
        return spans
    if " " in low and any(head in low for head in ("pass", "pw", "kennwort", "contrase", "senha")):
        for count, match in enumerate(_PHRASE.finditer(text)):
            if count > _MAX_MATCHES:
                break
            end = _phrase_end(text, match)
            if end > match.start("value"):
                spans.append(Span(match.start("value"), end, "prose"))
        spans += [
            Span(match.start(1), match.end(1), "prose")
            for match in _USED.finditer(low)
            if not (
                is_word(match.group(1))
                or match.group(1) in _SAYING
                or match.group(1) in _HAD
                or _SAID.match(match.group(1))
                or _ABSTRACT.match(match.group(1))
            )
        ]
    if any(head in low for head in ("mnemonic", "seed", "recovery", "backup", "wallet")):
        spans += [Span(match.start(1), match.end(1), "prose") for match in _SEED.finditer(low)]
    if text != low:
        spans += [
            Span(match.start(1), match.end(1), "name")
            for match in _CALLED.finditer(text)
            if _NO_NAMES.isdisjoint(match.group(1).lower().split())
        ]
    if not has_digit:
        return spans
    if any(thing in low for thing in _COMPARED_THINGS) and not low.startswith("unexpected token"):
        spans += [
            Span(
                match.start(1),
                match.start(1) + len(match.group(1).rstrip(".")),
                "prose",
            )
            for match in _COMPARED.finditer(text)
            if _is_compared(match.group(1).rstrip("."))
        ]
    if ": " in text:
        spans += [
            Span(
                match.start(1),
                match.start(1) + len(match.group(1).rstrip(".,;)")),
                "prose",
            )
            for match in _WRONG.finditer(text)
            if _is_mixed(match.group(1).rstrip(".,;)")) and looks_secret(match.group(1))
        ]
        spans += [
            Span(match.start(1), match.start(1) + len(match.group(1).rstrip(".")), "prose")
            for match in _ANNOUNCED.finditer(text)
            if is_random(match.group(1).rstrip("."))
        ]
    if "pass" in low and ("got" in low or "receiv" in low or "but was" in low or "instead" in low):
        spans += [
            Span(match.start(1), match.end(1), "prose")
            for match in _INSTEAD.finditer(text)
            if looks_secret(match.group(1))
        ]
    if ":" in text or " / " in text:
        spans += [
            Span(
                match.start(1),
                match.start(1) + len(match.group(1).rstrip(".;")),
                "prose",
            )
            for match in _ADMIN.finditer(text)
            if looks_secret(match.group(1)) and _is_mixed(match.group(1).rstrip(".;"))
        ]
    if "/" in text or ", " in text or ":" in text:
        for match in _LOGIN.finditer(text):
            value = match.group(2).rstrip(".;")
            if looks_secret(value) and len(value) >= 6 and not match.group(1).isdigit() and _is_mixed(value):
                spans.append(Span(match.start(2), match.start(2) + len(value), "prose"))
    return spans


def _is_mixed(value: str) -> bool:
    """True for letters with digits or symbols inside, not for a word with a number at its end."""
    return looks_opaque(value) and not re.match(r"^[a-z]+[\-_.]?\d{0,3}$|^v?\d+(?:\.\d+)*\w{0,3}$", value)


def _is_compared(value: str) -> bool:
    if not any(c.isdigit() for c in value) or "." in value[1:-1] or "/" in value[:2]:
        return False
    return len(value) >= 16 and (looks_opaque(value) or value.isalnum()) and not value.isdigit()


def _phrase_end(text: str, match: re.Match[str]) -> int:
    """Where a passphrase ends, or -1 if the words say something about the password."""
    value = match.group("value")
    link = match.group("link")
    quoted = match.group("q") is not None
    start = match.start("value")
    if quoted:
        closed = text[match.end("value") : match.end("value") + 1] in (
            "'",
            '"',
            "`",
            "\u201d",
            "\u2019",
        )
        if not closed:
            return -1
    elif not link or value != value.lower() or not (value.isascii()):
        return -1
    chosen: list[str] = []
    for word in re.split(r"[ \-]", value):
        if not quoted and word in _ENDS:
            break
        if is_word(word) or word in _SAYING or (not quoted and _SAID.match(word)):
            return -1
        chosen.append(word)
    if not chosen:
        return -1
    end = start + len(" ".join(chosen))
    if len(chosen) == 1 or chosen[1:] == ["today"]:
        if chosen[0] == "correct":
            return -1
        owned = _OWNED.search(text[max(0, match.start() - 24) : match.start()].lower()) is not None
        at_end = text[end : end + 1] in ("", ".", ",", "\n", ";", "!")
        if len(chosen[0]) < 6 or not (
            quoted or (link and link.strip() not in (":", "=") and (owned or at_end))
        ):
            return -1
        return end if not quoted or link or match.group("head").lower().startswith("passp") else -1
    if link and link.strip() in (":", "=") and len(chosen) < 2:
        return -1
    return end
