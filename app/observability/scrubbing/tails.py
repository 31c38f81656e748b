"""What may stand between such a noun and its value, and how the value ends."""

import re
from typing import Final

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
    r"|\bfor (?:(?:the|your|this|my|new) )?(?:user |account )?[\w@.'\-]{1,40}(?: (?:is|was|=|:))?"
    r"|\bid\b|\bstring\b|\bnow\b|->|→|:-))"
    r"{0,3}\s{0,4}(?:<[a-z]{1,8}[^<>]{0,40}>\s{0,3}){0,2}"
)
_VALUE: Final = (
    r"(?:(?P<q>[\"'`\u201c\u2018])"
    r"(?P<quoted>[^\"'`\u201c\u201d\u2018\u2019\n]{3,300})[\"'`\u201d\u2019]"
    r"|(?P<bare>[^\s\"'`<>\u201c\u201d]{3,400}))"
)
SECRET_TAIL: Final = re.compile(
    rf"(?:[ -]?(?:id|key|keys|cookie|string|hash))?(?![\w\-]){_LINK}{_VALUE}",
    re.IGNORECASE,
)
CODE_TAIL: Final = re.compile(
    r"(?:[ -]?(?:code|pin|password|passcode))?(?![\w\-])(?:[\"'`]?\s{0,3}(?:[:=#]|is|was|lautet|ist|es"
    r"|est|number|sent|for [\w@.\-]{1,40}(?: is)?)){0,2}\s{0,4}(?:<[a-z]{1,8}[^<>]{0,40}>\s{0,3})?"
    r"[\"'`(]?(\d{3}[ -]\d{3,4}|(?=[A-Z]*\d)[A-Z0-9]{3,10}(?:-[A-Z0-9]{3,10})?)(?![\w\-/%])",
    re.IGNORECASE,
)
NUMBER_TAIL: Final = re.compile(
    r"(?:[ -]?(?:number|no\.?|nr\.?|num|card|nummer|número|#))?(?![\w])(?:\s{0,3}(?:[:=#(]|is|was|of|for"
    r"|ist|lautet)){0,2}\s{0,3}[\"'`(]?([A-Z0-9][A-Z0-9 .\-/]{3,30}[A-Z0-9])(?![\w])",
    re.IGNORECASE,
)
REVERSE: Final = re.compile(
    rf"(?<![\w\-])[\"'`]?([^\s\"'`<>]{{4,100}})[\"'`]?\s(?:is|was|as|ist|es|est) (?:your|the|not a|an?|dein"
    rf"|ihr|tu|su|votre|no)\s(?:[\w\-]{{1,16}} ){{0,3}}(?:{_NOUNS}|{_CODE}|pin|code)\b",
    re.IGNORECASE,
)
NAME_TAIL: Final = re.compile(
    r"(?i:\s*[:=]\s*|\s+(?:is|was|ist)\s+)[\"'`]?((?:[A-ZÀ-ÖØ-Þ][\w'\u2019\-]{1,30})(?: (?:[a-z]{2,3} "
    r")?[A-ZÀ-ÖØ-Þ][\w'\u2019\-]{1,30}){0,3})"
)
_DATE: Final = (
    r"(?:(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.](?:19|20)?\d\d|\d\d?(?:st|nd|rd|th"
    r"|\.)? (?:de )?[A-Za-zäéûÄ]{3,10}\.?,? (?:de )?(?:19|20)\d\d"
    r"|[A-Z][a-z]{2,9}\.? \d\d?(?:st|nd|rd|th)?,? (?:19|20)\d\d|(?:19|20)\d\d[01]\d[0-3]\d)"
)
BIRTH_TAIL: Final = re.compile(
    rf"(?:[ _]?da(?:te|y))?(?: on| in| am| le| el| de)?\W{{0,4}}(?:is |was |of "
    rf"|\w{{1,12}} is )?\W{{0,3}}({_DATE})(?![\w])",
    re.IGNORECASE,
)
_CODE_VALUE: Final = re.compile(r"^(?:HTTP|E|ERR)?\d{3}$|^E\d+$", re.IGNORECASE)
REVERSED: Final = re.compile(r" (?:is|was|as|ist|es|est) (?:your|the|not a|an?|dein|ihr|tu|su|votre|no) ")
# A list of codes goes on, a code of a longer kind, a code that was handed to somebody.
MORE_CODES: Final = re.compile(
    r"(?:,|;| and| or|\n|\s-)\s{0,3}[\"'`]?((?=[A-Za-z]{0,9}\d)[A-Za-z0-9]{3,10}"
    r"(?:-[A-Za-z0-9]{3,10}){0,3})(?![\w\-/%])"
)
OPAQUE_CODE: Final = re.compile(
    r"(?:s?\s{0,2}[:=(]|\s(?:is|was))?\s{0,2}[\"'`]?(?=[a-z\d]*[A-Za-z])([A-Za-z0-9]{8,64})(?![\w\-/.])"
)
SENT_CODE: Final = re.compile(
    r"\s(\d{6})(?= (?:was |has been |is )?(?:sent|expired|entered|used|delivered|resent|texted)\b)"
)
LONG_KEY: Final = re.compile(r"[\"'`:]?\s{1,3}[\"'`(]?([A-Za-z0-9_\-+/]{24,200})(?![\w])")
USER_BEFORE: Final = re.compile(r"\s{0,2}[:=(]?\s{1,2}[\w.\-@]{1,40}(?:\s?/(?=\s)|(?=:\S))")
SHORT_ID: Final = re.compile(r"\s[0-9a-f]{6,8}(?![\w\-])")
TO_OTHER: Final = re.compile(r"[\"'`]?\s(?:to|with|by)\s[\"'`]?([^\s\"'`<>]{5,200})")
NEXT: Final = re.compile(r"[\"'`]?[\s\-_]{0,3}([^\s]{1,40})")


def is_plain_code(noun: str, value: str) -> bool:
    """True if the number after this noun is too short or too common to be a code."""
    short = noun[:3].lower()
    if short in ("pin", "otp", "tan", "mpi", "tot"):
        return len(value) < 4
    if short in ("cvv", "cvc"):
        return not (value.isdigit() and len(value) in (3, 4))
    return len(value) < 4 or bool(_CODE_VALUE.match(value))


def number_end(value: str) -> int:
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
