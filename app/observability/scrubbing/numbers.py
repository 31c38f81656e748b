"""Numbers of people: cards, bank accounts, phones, national ids and public addresses, each with its own check."""

import re
from typing import Final

from .marker import marker
from .words import words

_IBAN_CHARS: Final = {
    **dict.fromkeys(words("NO"), 15),
    **dict.fromkeys(words("BE"), 16),
    **dict.fromkeys(words("DK FI FO GL NL"), 18),
    **dict.fromkeys(words("MK SI"), 19),
    **dict.fromkeys(words("AT BA EE KZ LT LU XK"), 20),
    **dict.fromkeys(words("CH HR LI LV"), 21),
    **dict.fromkeys(words("BG BH CR DE GB GE IE ME RS VA"), 22),
    **dict.fromkeys(words("AE GI IL IQ TL"), 23),
    **dict.fromkeys(words("AD CZ ES MD PK RO SA SE SK TN VG"), 24),
    **dict.fromkeys(words("PT ST"), 25),
    **dict.fromkeys(words("IS TR"), 26),
    **dict.fromkeys(words("FR GR IT MC MR SM"), 27),
    **dict.fromkeys(words("AL AZ BY CY DO GT HU LB PL SV"), 28),
    **dict.fromkeys(words("BR EG PS QA UA"), 29),
    **dict.fromkeys(words("JO KW MU"), 30),
    **dict.fromkeys(words("MT SC"), 31),
    **dict.fromkeys(words("LC"), 32),
}
IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \-\u00a0]?[A-Za-z0-9]){11,32}")
# A run of digits with separators as people write numbers; parts of words, decimals and hex do not start one.
NUMBER: Final = re.compile(
    r"(?<![\w.])(?:[+(]{0,2}\d(?:[ \-.()/\u00a0\u2009\u202f\u2011\u2013_]{0,2}\d){6,26})(?![\w])"
)
# A card right after letters: `card_<digits>`, `PAN<digits>`.
_GLUED: Final = re.compile(r"(?<=[A-Za-z_])(?:\d{14,16}|\d{4}(?:[ \-]\d{4}){3})(?![\dA-Za-z])")
_SEPARATORS: Final = re.compile(r"[ \-.()/\u00a0\u2009\u202f\u2011\u2013_]+")
_SSN: Final = re.compile(r"^(?!000|666)[0-8]\d\d([- ])(?!00)\d\d\1(?!0000)\d{4}$")
_FRENCH_PHONE: Final = re.compile(r"^0\d([ .])\d\d\1\d\d\1\d\d\1\d\d$")
_CPF: Final = re.compile(r"^\d{3}\.\d{3}\.\d{3}-\d\d$")
_SIN: Final = re.compile(r"^\d{3}[- ]\d{3}[- ]\d{3}$")
_AHV: Final = re.compile(r"^756\.\d{4}\.\d{4}\.\d\d$")
_PERSONNUMMER: Final = re.compile(r"^(?:19|20)?\d\d[01]\d[0-3]\d[-+]\d{4}$")
_US_PHONE: Final = re.compile(r"^(?:1[ .\-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .\-])[2-9]\d\d[ .\-]\d{4}$")
_PHONE_WORDS: Final = words(
    "phone telephone tel mobile cell mob call called calling sms texted text whatsapp fax dial ring "
    "handy móvil telefono teléfono msisdn kontakt contact reach reached"
    " rückruf numéro téléphone telefoon cellphone"
)
_AROUND: Final = " .,:;=()[]'\"#<>-"
_V6: Final = re.compile(r":[0-9A-Fa-f]{0,4}:")
_DATE: Final = re.compile(r"^(?:19|20)\d\d([-./ ])\d\d\1\d\d|^\d\d?([-./])\d\d?\2(?:19|20)\d\d")
IPV4: Final = re.compile(r"(?<![\w.\-])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\w]|\.\d|-\d)")
IPV6: Final = re.compile(
    r"(?<![\w:.])(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}"
    r"|(?:[0-9A-Fa-f]{1,4}:){1,6}(?::[0-9A-Fa-f]{1,4}){1,6}|(?:[0-9A-Fa-f]{1,4}:){2,7}:)(?![\w:])"
)
_VERSION_BEFORE: Final = re.compile(
    r"(?:version|ver|v|release|build|==|>=|<=|~=|firmware|chrome|safari|edg|opr)[ /:=]{0,2}$",
    re.IGNORECASE,
)


_DENSE: Final = re.compile(r"\d\D?\d\D?\d\D?\d")


def is_dense(text: str) -> bool:
    """True if the text holds enough digits near each other for any number of a person."""
    return _DENSE.search(text) is not None or "::" in text


def has_luhn(digits: str) -> bool:
    """True if the check digit of a card number (or Canadian, Swedish id) is right."""
    total = 0
    for i, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        if i % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """True for a number of a card issuer's range and length with a right check digit."""
    size = len(digits)
    two, four = digits[:2], int(digits[:4])
    known = (
        (digits[0] == "4" and size in (13, 16, 19))
        or (("51" <= two <= "55" or 2221 <= four <= 2720) and size == 16)
        or (two in ("34", "37") and size == 15)
        or ((four == 6011 or two == "65" or 644 <= four // 10 <= 649 or two == "62") and 16 <= size <= 19)
        or (3528 <= four <= 3589 and 16 <= size <= 19)
        or ((two in ("36", "38", "39") or 300 <= four // 10 <= 305) and 14 <= size <= 19)
        or (
            (two in ("50", "56", "57", "58", "67") or four in (6304, 6759, 6761, 6762, 6763))
            and 13 <= size <= 19
            and size != 17
        )
        or (2200 <= four <= 2204 and size == 16)
        or (four in (6521, 6522, 8100) and size == 16)
    )
    return known and has_luhn(digits) and len(set(digits)) > 1


def iban_end(text: str, start: int, end: int) -> int:
    """Where a valid IBAN that starts here ends, or -1."""
    size = _IBAN_CHARS.get(text[start : start + 2].upper())
    if not size:
        return -1
    chars: list[str] = []
    i = start
    while i < end and len(chars) < size:
        if text[i].isalnum():
            chars.append(text[i].upper())
        i += 1
    if len(chars) < size or (i < len(text) and text[i].isalnum()):
        return -1
    moved = "".join(chars[4:] + chars[:4])
    return i if int("".join(str(int(c, 36)) for c in moved)) % 97 == 1 else -1


def is_public_ipv4(parts: tuple[str, ...], text: str, start: int) -> bool:
    """True for an address that belongs to somebody, not to this network, and that is no version."""
    a, b, c, d = (int(part) for part in parts)
    if max(a, b, c, d) > 255 or a in (0, 10, 127) or a >= 224:
        return False
    if (a, b) in ((192, 168), (169, 254)) or (a == 172 and 16 <= b <= 31) or (a == 100 and 64 <= b <= 127):
        return False
    if any(len(part) > 1 and part[0] == "0" for part in parts):
        return False
    before = text[max(0, start - 12) : start]
    if _VERSION_BEFORE.search(before) or (before[-1:] == "/" and before[-2:-1].isalpha()):
        return False
    return not (a < 10 and b < 10 and c < 30 and d < 30)


def is_public_ipv6(text: str) -> bool:
    """True for a global address; loopback, link-local and unique local ones stay."""
    low = text.lower()
    if low.count("::") > 1 or low.startswith(("fe8", "fe9", "fea", "feb", "fc", "fd", "ff", "::", "0:0:0")):
        return False
    groups = [group for group in low.split(":") if group]
    if "::" not in low and len(groups) != 8:
        return False
    return len(groups) >= 3 and any(len(group) >= 3 for group in groups)


def _person_number(raw: str, digits: str, before: str) -> str | None:
    """Name the rule for a candidate that is a whole number of a person."""
    size = len(digits)
    if size == 9 and _SSN.match(raw):
        return "ssn"
    if raw[0] == "+" and 8 <= size <= 15:
        return "phone"
    if size in (10, 11) and _US_PHONE.match(raw) and ("(" in raw or not raw.startswith("1")):
        return "phone"
    if 7 <= size <= 15 and _is_called(before) and not _DATE.match(raw) and raw.count(".") != 3:
        return "phone"
    if raw == digits:
        return (
            "national_id"
            if size == 15
            and raw[0] in "12"
            and 97 - int(raw[:13]) % 97 == int(raw[13:])
            and "00" < raw[3:5] <= "12"
            else None
        )
    if (
        size == 15
        and raw[0] in "12"
        and raw.replace(" ", "") == digits
        and 97 - int(digits[:13]) % 97 == int(digits[13:])
    ):
        return "national_id"
    if size in (10, 11) and raw[0] == "0" and _FRENCH_PHONE.match(raw):
        return "phone"
    if raw.startswith("00") and 11 <= size <= 15 and raw != digits:
        return "phone"
    if size == 11 and _CPF.match(raw) and _has_cpf(digits):
        return "national_id"
    if size == 9 and _SIN.match(raw) and has_luhn(digits) and digits[0] not in "08":
        return "national_id"
    if size == 13 and _AHV.match(raw):
        return "national_id"
    if size in (10, 12) and _PERSONNUMMER.match(raw) and has_luhn(digits[-10:]):
        return "national_id"
    return None


def _is_within(text: str, start: int, end: int) -> bool:
    """True for digits between the hyphens of something longer, such as a UUID."""
    return (
        text[start - 1 : start] == "-"
        and text[start - 2 : start - 1].isalnum()
        and text[end : end + 1] == "-"
        and text[end + 1 : end + 2].isalnum()
    )


def _is_called(before: str) -> bool:
    """True if one of the last words before a number speaks of a phone."""
    before = before.replace(marker("phone"), "")
    last = [word.strip(_AROUND) for word in before.lower().split()[-4:]]
    return any(word in _PHONE_WORDS or word.startswith("telefon") for word in last) or before.lower().rstrip(
        _AROUND
    ).endswith(("phone", "tel", "mobile", "sms", "whatsapp"))


def _has_cpf(digits: str) -> bool:
    def check(part: str) -> int:
        total = sum(int(d) * w for d, w in zip(part, range(len(part) + 1, 1, -1), strict=True))
        return (total * 10 % 11) % 10

    return check(digits[:9]) == int(digits[9]) and check(digits[:10]) == int(digits[10])


def find_numbers(text: str, people: bool = True, addresses: bool = True) -> list[tuple[int, int, str]]:
    """Spans of cards, accounts, phones, ids and public addresses, each with the name of its rule."""
    spans: list[tuple[int, int, str]] = []
    for match in NUMBER.finditer(text):
        raw, start = match.group(), match.start()
        digits = _SEPARATORS.sub("", raw).replace("+", "")
        if not digits.isascii():
            digits = "".join(str(int(c)) for c in digits if c.isdigit())
        if len(digits) >= 13:
            span = _find_card(raw, digits)
            if span:
                spans.append((start + span[0], start + span[1], "card"))
                continue
        if people and not _is_within(text, start, match.end()):
            rule = _person_number(raw, digits, text[max(0, start - 40) : start])
            if rule:
                spans.append((start, match.end(), rule))
    spans += [
        (match.start(), match.end(), "card")
        for match in _GLUED.finditer(text)
        if is_card(_SEPARATORS.sub("", match.group()))
    ]
    if not people:
        return spans
    for match in IBAN.finditer(text):
        end = iban_end(text, match.start(), match.end())
        if end > 0:
            spans.append((match.start(), end, "iban"))
    if addresses and text.count(".") > 2:
        spans += [
            (match.start(), match.end(), "ip")
            for match in IPV4.finditer(text)
            if is_public_ipv4(match.groups(), text, match.start())
        ]
    if addresses and _V6.search(text):
        spans.extend((m.start(), m.end(), "ip") for m in IPV6.finditer(text) if is_public_ipv6(m.group()))
    return spans


def _find_card(raw: str, digits: str) -> tuple[int, int] | None:
    if len(digits) <= 19 and is_card(digits):
        return 0, len(raw)
    groups = [(m.start(), m.end()) for m in re.finditer(r"\d+", raw)]
    if len(groups) < 2:
        return None
    for i in range(min(len(groups), 8)):
        joined = ""
        for j in range(i, min(len(groups), i + 7)):
            joined += raw[groups[j][0] : groups[j][1]]
            if len(joined) > 19:
                break
            if len(joined) >= 13 and is_card(joined):
                return groups[i][0], groups[j][1]
    return None
