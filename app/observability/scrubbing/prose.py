"""Secrets in sentences: a noun that says what follows, a few linking words, and something that looks like a value."""

import re
from typing import Final

from .harmless import is_masked, is_word
from .spans import Span

# A sentence without one of these pieces holds no noun of this file; cheaper to look for than the nouns.
STEMS: Final = (
    "pass", "pw", "secret", "token", "key", "cred", "otp", "pin", "code", "cvv", "cvc", "session", "cookie", "jwt", "name",
    "ssn", "number", "account", "licen", "tax", "born", "birth", "dob", "geb", "clave", "contrase", "senha", "kennwort", "login",
    "nino", "insur", "cpf", "dni", "nif", "bsn", "pesel", "person", "aadhaar", "sin", "nir", "curp", "fiscal", "steuer", "nhs",
    "iban", "signature", "hash",
)  # fmt: skip
_SECRET: Final = (
    r"(?:pass(?:words?|wd|phrase|code|wort)|pwd?|mot de passe|contraseña|kennwort|wachtwoord|senha|clave"
    r"|(?:(?:access|refresh|bearer|auth|session|api|reset|csrf|id|login|jwt|security|invite|device|push|personal access|oauth|service)[ -]?)?tokens?"
    r"|(?:api|access|private|secret|licen[cs]e|account|encryption|signing|master|recovery|ssh|deploy|webhook|shared|subscription)[ -]?keys?"
    r"|(?:client |shared |webhook |app )?secrets?(?: key)?|credentials?|creds|session(?:[ -]?(?:id|key|cookie))?|sid|cookie|jwt|signature"
    r"|seed phrase|mnemonic|magic link|connection string)"
)
_CODE: Final = (
    r"(?:otp|m?pin|cvv2?|cvc2?|tan|totp|passcode|(?:verification|confirmation|security|login|log-in|sign-?in|access|auth(?:entication)?|authorization|one[- ]time"
    r"|2fa|mfa|sms|reset|backup|recovery|invite|pin|otp|activation|unlock|zugangs|bestätigungs|anmelde|tan-?)[ -]?(?:code|pin|password|passcode)"
    r"|(?:your|use|the|enter|with|dein|ihr) code|código|code de vérification)"
)
_NUMBER: Final = (
    r"(?:(?:account|acct|routing|bank|card|passport|customer id|driving licen[cs]e|driver'?s? licen[cs]e|licen[cs]e|insurance|national insurance|social security|social insurance|tax|health|medicare"
    r"|national id|identity|personal|vat|nhs|konto|kunden|ausweis|policy)[ -]?(?:number|no\.?|nr\.?|num|#|id|nummer)"
    r"|passport|passeport|pasaporte|reisepass|driving licen[cs]e|driver'?s? licen[cs]e|licen[cs]e plate|ssn|itin|ein|nino|national insurance|social security|nhs|cpf|cnpj|dni|nie|nif|bsn|pesel"
    r"|personnummer|fødselsnummer|cpr|hetu|aadhaar|aadhar|pan|sin|nir|insee|curp|rfc|codice fiscale|steuer-?id|steuernummer|tfn|medicare|hkid|nric|rut|cuit|cuil|ahv|iban|bic|abn|tin)"
    r"(?:[ -]?(?:number|no\.?|nr\.?|num|card|nummer|número))?"
)
_LINK: Final = (
    r"(?:[\"'`]?\s{0,3}(?:[:=#(]|\bis\b|\bwas\b|\bare\b|\blautet\b|\bist\b|\bes\b|\best\b|\bé\b|\bvalue\b|\bset to\b|\bchanged (?:from|to)\b|\bfrom\b|\bto\b|\bof\b|\bnumber\b|\bno\.|\busing\b|\bprovided\b|\bsent\b"
    r"|\bfor (?:user )?[\w@.'\-]{1,40}(?: (?:is|was|=|:))?|\bid\b|\bstring\b|\bnow\b|->|→|:-))"
    r"{0,3}\s{0,4}(?:<[a-z]{1,8}[^<>]{0,40}>\s{0,3}){0,2}"
)
_VALUE: Final = r"(?:(?P<q>[\"'`“‘])(?P<quoted>[^\"'`“”‘’\n]{3,300})[\"'`”’]|(?P<bare>[^\s\"'`<>“”]{3,400}))"
_BEFORE: Final = r"(?<![\w\-./])"
SECRET: Final = re.compile(f"{_BEFORE}(?i:{_SECRET})(?![\\w\\-]){_LINK}{_VALUE}", re.IGNORECASE)
CODE: Final = re.compile(f"{_BEFORE}(?i:{_CODE})(?![\\w\\-])(?:[\"'`]?\\s{{0,3}}(?:[:=#]|is|was|lautet|ist|es|est|number|sent|for [\\w@.\\-]{{1,40}}(?: is)?)){{0,2}}\\s{{0,4}}(?:<[a-z]{{1,8}}[^<>]{{0,40}}>\\s{{0,3}})?[\"'`(]?(\\d{{3}}[ -]\\d{{3,4}}|(?=[A-Z]*\\d)[A-Z0-9]{{3,10}}(?:-[A-Z0-9]{{3,10}})?)(?![\\w\\-/%])", re.IGNORECASE)
NUMBER: Final = re.compile(f"{_BEFORE}(?:{_NUMBER})(?![\\w])(?:\\s{{0,3}}(?:[:=#(]|is|was|of|for|ist|lautet)){{0,2}}\\s{{0,3}}[\"'`(]?([A-Z0-9][A-Z0-9 .\\-/]{{3,30}}[A-Z0-9])(?![\\w])", re.IGNORECASE)
REVERSE: Final = re.compile(f"(?<![\\w\\-])[\"'`]?([^\\s\"'`<>]{{4,100}})[\"'`]?\\s(?:is|was|ist|es|est) (?:your|the|not a|an?|dein|ihr|tu|su|votre|no)\\s(?:[\\w\\-]{{1,16}} ){{0,3}}(?:{_SECRET}|{_CODE}|pin|code)\\b", re.IGNORECASE)
NAME: Final = re.compile(
    r"(?<![\w])(?i:(?:customer|full|first|last|patient|guest|cardholder|account holder|holder|contact|family|given|real|legal|recipient|beneficiary|passenger|client|tenant|user'?s?|her|his|my) ?(?:sur)?names?)"
    r"(?i:\s*[:=]\s*|\s+(?:is|was|ist)\s+)[\"'`]?((?:[A-ZÀ-ÖØ-Þ][\w'’\-]{1,30})(?: (?:[a-z]{2,3} )?[A-ZÀ-ÖØ-Þ][\w'’\-]{1,30}){0,3})"
)
_DATE: Final = (
    r"(?:(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.](?:19|20)?\d\d|\d\d?(?:st|nd|rd|th|\.)? (?:de )?[A-Za-zäéûÄ]{3,10}\.?,? (?:de )?(?:19|20)\d\d"
    r"|[A-Z][a-z]{2,9}\.? \d\d?(?:st|nd|rd|th)?,? (?:19|20)\d\d|(?:19|20)\d\d[01]\d[0-3]\d)"
)
BIRTH: Final = re.compile(
    r"(?<![\w])(?:born(?: on| in)?|date[ _]of[ _]birth|birth[ _]?da(?:te|y)|d\.?o\.?b\.?|geboren(?: am)?|geb\.?(?: am)?|geburtsdatum|née?(?: le)?|date de naissance|nacid[oa](?: el)?|fecha de nacimiento)"
    rf"\W{{0,4}}(?:is |was |of |\w{{1,12}} is )?\W{{0,3}}({_DATE})(?![\w])",
    re.IGNORECASE,
)
_NOISE: Final = ".,;:!?)]}…\"'`"
_UUID_OR_DATE: Final = re.compile(r"^(?:\d{4}-\d\d-\d\d|\d{1,2}:\d\d|v?\d+(?:\.\d+)+$|\d+(?:ms|s|m|h|d|kb|mb|gb|k|px|%|x)$|\d+/\d+$)", re.IGNORECASE)
_CODE_VALUE: Final = re.compile(r"^(?:HTTP|E|ERR)?\d{3}$|^E\d+$", re.IGNORECASE)


def looks_secret(value: str) -> bool:
    """True for a value in a sentence that reads like a credential: letters with digits or symbols, or a long mix."""
    value = value.rstrip(_NOISE).lstrip("(")
    size = len(value)
    if size < 5 or is_word(value) or is_masked(value) or value.startswith(("[Filtered", "$", "{", "%", "/", "http", "--", "@", "<", "#/", "0x")):
        return False
    if value.endswith(("()", "=")) and not value.endswith("=="):
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
    mixed = not value.islower() and not value.isupper()
    return size >= 20 and value.isalpha() and mixed and sum(1 for c in inner if c.isupper()) >= 4


def find_prose(text: str) -> list[Span]:
    """Spans of values in sentences."""
    spans: list[Span] = []
    for match in SECRET.finditer(text):
        group = "quoted" if match.group("quoted") else "bare"
        value = match.group(group)
        if group == "quoted" and " " in value.strip():
            continue
        stripped = value.rstrip(_NOISE)
        if looks_secret(stripped) and not (stripped.isdigit() and not match.group().lower().startswith(("pass", "pw"))):
            lead = len(value) - len(value.lstrip("(["))
            spans.append(Span(match.start(group) + lead, match.start(group) + len(stripped), "prose"))
    for match in CODE.finditer(text):
        value = match.group(1)
        if any(c.isdigit() for c in value) and not _is_plain_code(match.group(), value):
            spans.append(Span(match.start(1), match.end(1), "prose"))
    for match in NUMBER.finditer(text):
        end = _number_end(match.group(1))
        if end:
            spans.append(Span(match.start(1), match.start(1) + end, "national_id"))
    for match in REVERSE.finditer(text):
        value = match.group(1)
        if looks_secret(value) or (value.isdigit() and 4 <= len(value) <= 10):
            spans.append(Span(match.start(1), match.end(1), "prose"))
    for match in NAME.finditer(text):
        if not is_word(match.group(1)):
            spans.append(Span(match.start(1), match.end(1), "name"))
    spans.extend(Span(match.start(1), match.end(1), "birth_date") for match in BIRTH.finditer(text))
    return spans


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
    return end if digits >= 5 else 0
