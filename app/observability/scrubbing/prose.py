"""Secrets in sentences: a noun that says what follows, a few linking words, and something that looks like a value."""

import re
from typing import Final

from .harmless import is_concept, is_masked, is_scrambled, is_word, is_wordy
from .spans import Span
from .words import words

_NOUNS: Final = (
    r"(?:pass(?:words?|wd|phrase|code|wort)|pwd?|mot de passe|contraseña|kennwort|wachtwoord|senha|clave"
    r"|(?:(?:access|refresh|bearer|auth|session|api|reset|csrf|id|login|jwt|security|invite|device|push"
    r"|personal access|oauth|service)[ -]?)?tokens?"
    r"|(?:api|access|private|secret|licen[cs]e|account|encryption|signing|master|recovery|ssh|deploy"
    r"|webhook|shared|subscription)[ -]?keys?"
    r"|(?:client |shared |webhook |app )?secrets?(?: key)?|credentials?|creds|session(?:[ -]?(?:id|key"
    r"|cookie))?|sid|cookie|jwt|signature"
    r"|seed phrase|mnemonic|magic link|connection string)"
)
_CODE: Final = (
    r"(?:otp|m?pin|cvv2?|cvc2?|tan|totp|passcode|(?:verification|confirmation|security|login|log-in"
    r"|sign-?in|access|auth(?:entication)?|authorization|one[- ]time"
    r"|2fa|mfa|sms|reset|backup|recovery|invite|pin|otp|activation|unlock|zugangs|bestätigungs|anmelde"
    r"|tan-?)[ -]?(?:code|pin|password|passcode)"
    r"|(?:your|use|the|enter|with|dein|ihr) code|código|code de vérification)"
)
_LINK: Final = (
    r"(?:[\"'`]?\s{0,3}(?:[:=#(]|\bis\b|\bwas\b|\bare\b|\blautet\b|\bist\b|\bes\b|\best\b|\bé\b|\bvalue\b"
    r"|\bset to\b|\b(?:has been )?(?:changed|reset|set) (?:from|to)\b|\bfrom\b|\bto\b|\bof\b|\bnumber\b"
    r"|\bno\.|\bpair\b|\b(?:falsch|incorrect[ao]?|invalid[ao]?|inv[áa]lid[ao]|incorret[ao]"
    r"|errad[ao]|wrong|rejected|mismatch)(?=\s?:)|\busing\b|\bprovided\b|\bsent\b"
    r"|\bfor (?:user )?[\w@.'\-]{1,40}(?: (?:is|was|=|:))?|\bid\b|\bstring\b|\bnow\b|->|→|:-))"
    r"{0,3}\s{0,4}(?:<[a-z]{1,8}[^<>]{0,40}>\s{0,3}){0,2}"
)
_VALUE: Final = (
    r"(?:(?P<q>[\"'`\u201c\u2018])"
    r"(?P<quoted>[^\"'`\u201c\u201d\u2018\u2019\n]{3,300})[\"'`\u201d\u2019]"
    r"|(?P<bare>[^\s\"'`<>\u201c\u201d]{3,400}))"
)
_SECRET_TAIL: Final = re.compile(
    rf"(?:[ -]?(?:id|key|keys|cookie|string|hash))?(?![\w\-]){_LINK}{_VALUE}", re.IGNORECASE
)
_CODE_TAIL: Final = re.compile(
    r"(?:[ -]?(?:code|pin|password|passcode))?(?![\w\-])(?:[\"'`]?\s{0,3}(?:[:=#]|is|was|lautet|ist|es"
    r"|est|number|sent|for [\w@.\-]{1,40}(?: is)?)){0,2}\s{0,4}(?:<[a-z]{1,8}[^<>]{0,40}>\s{0,3})?"
    r"[\"'`(]?(\d{3}[ -]\d{3,4}|(?=[A-Z]*\d)[A-Z0-9]{3,10}(?:-[A-Z0-9]{3,10})?)(?![\w\-/%])",
    re.IGNORECASE,
)
_NUMBER_TAIL: Final = re.compile(
    r"(?:[ -]?(?:number|no\.?|nr\.?|num|card|nummer|número|#))?(?![\w])(?:\s{0,3}(?:[:=#(]|is|was|of|for"
    r"|ist|lautet)){0,2}\s{0,3}[\"'`(]?([A-Z0-9][A-Z0-9 .\-/]{3,30}[A-Z0-9])(?![\w])",
    re.IGNORECASE,
)
REVERSE: Final = re.compile(
    rf"(?<![\w\-])[\"'`]?([^\s\"'`<>]{{4,100}})[\"'`]?\s(?:is|was|as|ist|es|est) (?:your|the|not a|an?|dein"
    rf"|ihr|tu|su|votre|no)\s(?:[\w\-]{{1,16}} ){{0,3}}(?:{_NOUNS}|{_CODE}|pin|code)\b",
    re.IGNORECASE,
)
_NAME_TAIL: Final = re.compile(
    r"(?i:\s*[:=]\s*|\s+(?:is|was|ist)\s+)[\"'`]?((?:[A-ZÀ-ÖØ-Þ][\w'\u2019\-]{1,30})(?: (?:[a-z]{2,3} "
    r")?[A-ZÀ-ÖØ-Þ][\w'\u2019\-]{1,30}){0,3})"
)
_DATE: Final = (
    r"(?:(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.](?:19|20)?\d\d|\d\d?(?:st|nd|rd|th"
    r"|\.)? (?:de )?[A-Za-zäéûÄ]{3,10}\.?,? (?:de )?(?:19|20)\d\d"
    r"|[A-Z][a-z]{2,9}\.? \d\d?(?:st|nd|rd|th)?,? (?:19|20)\d\d|(?:19|20)\d\d[01]\d[0-3]\d)"
)
_BIRTH_TAIL: Final = re.compile(
    rf"(?:[ _]?da(?:te|y))?(?: on| in| am| le| el| de)?\W{{0,4}}(?:is |was |of "
    rf"|\w{{1,12}} is )?\W{{0,3}}({_DATE})(?![\w])",
    re.IGNORECASE,
)
_NOISE: Final = ".,;:!?)]}…\"'`"
_ASSIGNMENT: Final = re.compile(r"^[A-Za-z][\w.\-]{0,30}=(?!=)")
_UUID_OR_DATE: Final = re.compile(
    r"^(?:\d{4}-\d\d-\d\d|\d{1,2}:\d\d|v?\d+(?:\.\d+)+$|\d+(?:ms|s|m|h|d|kb|mb|gb|k|px|%|x)$|\d+/\d+$)",
    re.IGNORECASE,
)
_CODE_VALUE: Final = re.compile(r"^(?:HTTP|E|ERR)?\d{3}$|^E\d+$", re.IGNORECASE)


def looks_secret(value: str) -> bool:
    """True for a value in a sentence that reads like a credential: letters with digits or symbols, or a long mix."""
    value = value.rstrip(_NOISE).lstrip("(")
    size = len(value)
    if (
        size < 5
        or is_word(value)
        or is_masked(value)
        or is_concept(value)
        or value.startswith(("[Filtered", "$", "{", "%", "/", "http", "--", "@", "<", "#/", "0x"))
    ):
        return False
    if value.endswith("()") or (value.endswith("=") and not value.endswith("==") and size < 24):
        return False
    if _ASSIGNMENT.match(value) and not (value.endswith("=") and value.count("=") <= 2):
        return False
    if _UUID_OR_DATE.match(value):
        return False
    letters = any(c.isalpha() for c in value)
    digits = any(c.isdigit() for c in value)
    if letters and digits:
        return not ("::" in value or "(" in value or (":" in value and value.partition(":")[2].isdigit()))
    if digits:
        return size >= 7 and value.isdigit()
    if not letters:
        return False
    inner = value[1:-1]
    symbols = sum(1 for c in inner if c in "!#$%^&*+?~@=")
    if symbols and not any(c in value for c in "(){}[]<>"):
        return True
    return is_scrambled(value) or (size >= 16 and value.isalpha() and value.isascii() and not is_wordy(value))


_SECRET_HEADS: Final = words("""
    password passwords passwd passphrase passcode passwort pw pwd contraseña contrasena kennwort
    wachtwoord senha clave parole пароль пароля hasło heslo parola parol şifre lösenord adgangskode salasana
    token tokens secret secrets credential credentials creds session sid
    cookie jwt signature mnemonic apikey passe bindpw rootpw zugangsdaten logindaten
""")
_KEY_HEADS: Final = words("key keys link phrase string")
_CODE_HEADS: Final = words("otp pin mpin cvv cvv2 cvc cvc2 tan totp passcode 2fa mfa")
_PLAIN_CODE_HEADS: Final = words("code código codes")
_NUMBER_HEADS: Final = words("""
    passport passeport pasaporte reisepass ssn itin ein nino cpf cnpj dni nie nif bsn pesel personnummer
    fødselsnummer cpr hetu aadhaar aadhar pan sin nir insee curp rfc tfn medicare hkid nric rut cuit cuil
    ahv iban bic abn tin nhs insurance security license licence plate fiscale steuer steuernummer
    kontonummer kundennummer ausweisnummer nss sozialversicherungsnummer sozialversicherungsnr
    rentenversicherungsnummer personalausweis id
""")
_PLAIN_NUMBER_HEADS: Final = words("number no nr num nummer account konto")
_BIRTH_HEADS: Final = words(
    "born birth birthday birthdate dob geboren geb geburtsdatum née né naissance nacido nacida nacimiento"
)
_NAME_HEADS: Final = words("name names surname")
HEAD_WORDS: Final = (
    _SECRET_HEADS
    | _KEY_HEADS
    | _CODE_HEADS
    | _PLAIN_CODE_HEADS
    | _NUMBER_HEADS
    | _PLAIN_NUMBER_HEADS
    | _BIRTH_HEADS
    | _NAME_HEADS
)
_HEADS: Final = {
    **dict.fromkeys(_SECRET_HEADS, "s"),
    **dict.fromkeys(_KEY_HEADS, "k"),
    **dict.fromkeys(_NUMBER_HEADS, "n"),
    **dict.fromkeys(_PLAIN_NUMBER_HEADS, "m"),
    **dict.fromkeys(_BIRTH_HEADS, "b"),
    **dict.fromkeys(_NAME_HEADS, "f"),
    **dict.fromkeys(_PLAIN_CODE_HEADS, "d"),
    **dict.fromkeys(_CODE_HEADS, "c"),
}
# What must stand before a head that means nothing alone.
_KEY_BEFORE: Final = (
    "api", "access", "private", "secret", "license", "licence", "account", "encryption", "signing",
    "master", "recovery", "ssh", "deploy", "webhook", "shared", "subscription", "magic", "seed",
    "connection", "service", "fernet", "reset",
)  # fmt: skip
_CODE_BEFORE: Final = (
    "verification", "confirmation", "security", "login", "log-in", "sign-in", "signin", "access", "auth",
    "authentication", "authorization", "time", "2fa", "mfa", "sms", "reset", "backup", "recovery",
    "invite", "pin", "otp", "activation", "unlock", "your", "use", "the", "enter", "with", "dein", "ihr",
)  # fmt: skip
_NUMBER_BEFORE: Final = (
    "account", "acct", "routing", "bank", "card", "passport", "customer id", "driving licence",
    "driving license", "driver license", "drivers license", "driver's license", "license", "licence",
    "insurance", "security", "tax", "health", "medicare", "national id", "identity", "personal", "vat",
    "nhs", "konto", "kunden", "ausweis", "policy", "national", "social security", "social insurance",
    "steuer",
)  # fmt: skip
_NAME_BEFORE: Final = (
    "customer", "full", "first", "last", "patient", "guest", "cardholder", "account holder", "holder",
    "contact", "family", "given", "real", "legal", "recipient", "beneficiary", "passenger", "client",
    "tenant", "user", "user's", "her", "his", "my",
)  # fmt: skip
_ID_BEFORE: Final = ("tax", "national", "steuer", "insurance", "health", "identity")
_PUNCTUATION: Final = {ord(char): " " for char in "\t\r\n:;,.!?()[]{}<>\"'`=/\\|&#*-+_%$@~^"}
_MAX_HEADS: Final = 2000
_REVERSED: Final = re.compile(r" (?:is|was|as|ist|es|est) (?:your|the|not a|an?|dein|ihr|tu|su|votre|no) ")


def find_prose(text: str, low: str, has_digit: bool) -> list[Span]:
    """Spans of values in sentences.

    Args:
        text: the text.
        low: the same in lower case.
        has_digit: whether it holds any digit.
    """
    spans: list[Span] = []
    if len(low) != len(text):
        low = text
    if not has_digit and low == text and not _SYMBOL.search(text):
        return spans
    present = _HEADS.keys() & low.translate(_PUNCTUATION).split()
    left = _MAX_HEADS
    for word in present:
        at = low.find(word)
        size = len(word)
        role = _HEADS[word]
        while at >= 0 and left > 0:
            end = at + size
            if not (low[at - 1 : at].isalnum() or low[end : end + 1].isalnum()):
                left -= 1
                _add_at(spans, text, low, at, end, role, has_digit)
            at = low.find(word, end)
    if has_digit and present and _REVERSED.search(low):
        for match in REVERSE.finditer(text):
            value = match.group(1)
            if looks_secret(value) or (value.isdigit() and 4 <= len(value) <= 10):
                spans.append(Span(match.start(1), match.end(1), "prose"))
    return spans


_SYMBOL: Final = re.compile(r"[!#$%^&*+?~@=]")


def _follows(low: str, at: int, before: tuple[str, ...]) -> bool:
    return low[max(0, at - 24) : at].rstrip(" -_").endswith(before)


def _add_at(spans: list[Span], text: str, low: str, at: int, end: int, role: str, has_digit: bool) -> None:
    """Look at what follows one head noun."""
    if at and (low[at - 1] in "/.-_" or low.startswith("[filtered:", at - 10)):
        return
    if role == "s" and low.startswith("pass", at) and _follows(low, at, _ONE_TIME):
        role = "c"
    if role == "s" or (role == "k" and _follows(low, at, _KEY_BEFORE)):
        if low.startswith(_BOTH, at):
            user = _USER_BEFORE.match(text, end)
            end = user.end() if user else end
        elif low.startswith("session", at) and _SHORT_ID.match(text, end):
            return
        _add_secret(spans, text, end, low.startswith("p", at))
    elif role == "k":
        match = _LONG_KEY.match(text, end)
        if match and is_random(match.group(1)):
            spans.append(Span(match.start(1), match.end(1), "prose"))
    elif role == "f":
        match = (
            _NAME_TAIL.match(text, end)
            if _follows(low, at, _NAME_BEFORE) or low.startswith("surname", at)
            else None
        )
        if match and not is_word(match.group(1)):
            spans.append(Span(match.start(1), match.end(1), "name"))
    elif not has_digit:
        return
    elif role == "c" or (role == "d" and _follows(low, at, _CODE_BEFORE)):
        match = _CODE_TAIL.match(text, end)
        if (
            match
            and any(c.isdigit() for c in match.group(1))
            and not _is_plain_code(low[at:end], match.group(1))
        ):
            spans.append(Span(match.start(1), match.end(1), "prose"))
            more = _MORE_CODES.match(text, match.end(1))
            while more:
                spans.append(Span(more.start(1), more.end(1), "prose"))
                more = _MORE_CODES.match(text, more.end(1))
        elif role == "d" and not match and _follows(low, at, _INVITE_BEFORE):
            opaque = _OPAQUE_CODE.match(text, end)
            if opaque and sum(c.isdigit() for c in opaque.group(1)) > 1:
                spans.append(Span(opaque.start(1), opaque.end(1), "prose"))
    elif role == "d":
        match = _SENT_CODE.match(text, end)
        if match and not _follows(low, at, _OTHER_CODES):
            spans.append(Span(match.start(1), match.end(1), "prose"))
    elif role == "b":
        match = _BIRTH_TAIL.match(text, end)
        if match:
            spans.append(Span(match.start(1), match.end(1), "birth_date"))
    elif role == "n" or (role == "m" and _follows(low, at, _NUMBER_BEFORE)):
        if low.startswith(
            ("id", "security", "insurance", "plate", "license", "licence"), at
        ) and not _follows(
            low,
            at,
            (
                *_ID_BEFORE,
                "social",
                "national",
                "driver",
                "drivers",
                "driver's",
                "driving",
                "license",
                "licence",
                "health",
            ),
        ):
            return
        match = _NUMBER_TAIL.match(text, end)
        size = _number_end(match.group(1)) if match else 0
        if match and size:
            spans.append(Span(match.start(1), match.start(1) + size, "national_id"))


# A list of codes goes on, a code of a longer kind, a code that was handed to somebody.
_MORE_CODES: Final = re.compile(
    r"(?:,|;| and| or|\n|\s-)\s{0,3}[\"'`]?((?=[A-Za-z]{0,9}\d)[A-Za-z0-9]{3,10}"
    r"(?:-[A-Za-z0-9]{3,10}){0,3})(?![\w\-/%])"
)
_INVITE_BEFORE: Final = (
    "verification", "confirmation", "invite", "invitation", "activation", "reset", "recovery", "backup",
    "referral", "unlock", "authorization", "login", "device",
)  # fmt: skip
_OPAQUE_CODE: Final = re.compile(
    r"(?:s?\s{0,2}[:=(]|\s(?:is|was))?\s{0,2}[\"'`]?(?=[a-z\d]*[A-Za-z])([A-Za-z0-9]{8,64})(?![\w\-/.])"
)
_SENT_CODE: Final = re.compile(
    r"\s(\d{6})(?= (?:was |has been |is )?(?:sent|expired|entered|used|delivered|resent|texted)\b)"
)
_OTHER_CODES: Final = (
    "error",
    "status",
    "exit",
    "country",
    "zip",
    "postal",
    "return",
    "response",
    "reason",
    "area",
    "product",
)
_LONG_KEY: Final = re.compile(r"[\"'`:]?\s{1,3}[\"'`(]?([A-Za-z0-9_\-+/]{24,200})(?![\w])")


def is_random(value: str) -> bool:
    """True for a run that mixes upper case, lower case and digits as no identifier does."""
    return (
        any(c.isdigit() for c in value)
        and any(c.isupper() for c in value)
        and any(c.islower() for c in value)
    )


# After these a user may stand before the password.
_BOTH: Final = ("cred", "zugangsdaten", "logindaten")
_USER_BEFORE: Final = re.compile(r"\s{0,2}[:=(]?\s{1,2}[\w.\-@]{1,40}(?:\s?/(?=\s)|(?=:\S))")
_ONE_TIME: Final = ("one-time", "one time", "onetime", "sms", "otp", "single-use")
_SHORT_ID: Final = re.compile(r"\s[0-9a-f]{6,8}(?![\w\-])")
_TO_OTHER: Final = re.compile(r"[\"'`]?\s(?:to|with|by)\s[\"'`]?([^\s\"'`<>]{5,200})")
_NEXT: Final = re.compile(r"[\"'`]?[\s\-_]{0,3}([^\s]{1,40})")
_LINK_WORDS: Final = words(
    "has been is was are lautet ist es est é value set changed from to of number no using provided sent "
    "for id string now key keys cookie hash falsch incorrect incorrecta incorrecto invalid inválida inválido "
    "incorreta errada wrong rejected mismatch"
)


def _add_secret(spans: list[Span], text: str, end: int, is_password: bool) -> None:
    following = _NEXT.match(text, end)
    if not following:
        return
    word = following.group(1)
    if word.isalpha() and word.islower() and word not in _LINK_WORDS:
        return
    match = _SECRET_TAIL.match(text, end)
    if not match:
        return
    group = "quoted" if match.group("quoted") else "bare"
    value = match.group(group)
    stripped = value.rstrip(_NOISE)
    if (group == "quoted" and " " in value.strip()) or not looks_secret(stripped):
        return
    if not stripped.isdigit() or is_password:
        lead = len(value) - len(value.lstrip("(["))
        spans.append(Span(match.start(group) + lead, match.start(group) + len(stripped), "prose"))
        other = _TO_OTHER.match(text, match.end(group)) if is_password else None
        if other and looks_secret(other.group(1)):
            spans.append(Span(other.start(1), other.start(1) + len(other.group(1).rstrip(_NOISE)), "prose"))


def _is_plain_code(noun: str, value: str) -> bool:
    short = noun[:3].lower()
    if short in ("pin", "otp", "tan", "mpi", "tot"):
        return len(value) < 4
    if short in ("cvv", "cvc"):
        return not (value.isdigit() and len(value) in (3, 4))
    return len(value) < 4 or bool(_CODE_VALUE.match(value))


def _number_end(value: str) -> int:
    """How much of the candidate is the number: groups from its start that hold digits."""
    end = 0
    digits = 0
    for piece in re.finditer(r"[^ ]+", value):
        group = piece.group()
        has_digit = any(c.isdigit() for c in group)
        if not has_digit and not (group.isupper() and len(group) <= 4):
            break
        end = piece.end() if has_digit or digits else end
        digits += sum(c.isdigit() for c in group)
        if not has_digit and not digits:
            end = piece.end()
    return (
        end
        if digits >= 5 or (digits == 4 and value[:end].isupper() and value[:end].isalnum() and end >= 8)
        else 0
    )
