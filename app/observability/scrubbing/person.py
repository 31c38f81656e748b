"""Where people live and what their states call them: shapes that need no word before them."""

import re
from typing import Final

from .spans import Span

_STREET_EN: Final = (
    r"Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Terrace|Court|Ct|Square|Sq|Place|Pl"
    r"|Way|Crescent|Close|Grove|Gardens"
    r"|Parkway|Pkwy|Highway|Hwy|Row|Mews|Circle|Trail|Alley|Walk|Quay"
)
ADDRESS: Final = re.compile(
    r"(?<![\w.])\d{1,5}[A-Za-z]?(?:[-/]\d{1,4})?,? (?:[NSEW]\.? )?(?:[A-Z][\w'.\-]{1,20} ){1,4}(?:"
    + _STREET_EN
    + r")\b\.?"
    r"(?:,? (?:NW|NE|SW|SE|[NSEW])\b)?(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|#)\.? ?#?\w{1,6})?"
    r"(?:, [A-Z][\w'.\- ]{1,30}){0,2}(?:,? (?:[A-Z]{2} )?(?:\d{5}(?:-\d{4})?"
    r"|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}))?"
)
ADDRESS_GERMANIC: Final = re.compile(
    r"(?<![\w])[A-ZÄÖÜØÅ][\wäöüßøåé.\-]{1,30}(?:straße|strasse|str\.|weg|allee|platz|gasse|ufer|damm|ring"
    r"|straat|laan|plein|gracht|kade|weg|singel|gatan|vägen|vej|gade|veien|gata)"
    r",? \d{1,4} ?[a-zA-Z]?\b(?:,? (?:\d{4} ?[A-Z]{2}|\d{4,5})(?: [A-ZÄÖÜ][\wäöüß\-]+){0,3})?"
)
ADDRESS_ROMANCE: Final = re.compile(
    r"(?<![\w])(?:\d{1,4}(?: ?(?:bis|ter))?,? (?i:rue|avenue|boulevard|chemin|impasse|allée|quai|cours"
    r"|route)(?: (?:de|du|des|la|le|les|d'|l'))* ?[A-ZÀ-Ü][\wà-ü'\-]+(?:[ \-][A-ZÀ-Ü][\wà-ü'\-]+){0,3}"
    r"|(?:Rue|Calle|Avenida|Avda\.|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa|Praça|Largo)(?: (?:de"
    r"|del|della|di|da|do|dos|la|las|los|el|des"
    r"|du))* [A-ZÀ-Ü][\wà-ü'\-]+(?: [A-ZÀ-Ü][\wà-ü'\-]+){0,3},? (?:n[º°.o] ?)?\d{1,4}\b)"
    r"(?:,? \d{4,5}(?:-\d{3})? [A-ZÀ-Ü][\wà-ü\-]+)?"
)
# The British number has no check character; without blanks in it the words before must say what it is.
_NINO: Final = re.compile(
    r"\b(?:NI|NINO|[Nn]ational [Ii]nsurance)(?: [Nn](?:umber|o\.?))?\W{1,3}(?:is )?"
    r"([A-CEGHJ-PR-TW-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D])\b"
)
STREET_WORDS: Final = re.compile(
    r"[Ss]tr|St\b|Ave|Road|Rd|Lane|Ln|Drive|Dr|Blvd|[Bb]oulevard|Terr|Court|Ct|Sq|Pl|Way|Cres|Close|Grove|Gard"
    r"|P[ak]|H[iw]|Row|Mews|Circ|Trail|All|weg|allee|platz|gasse|ufer|damm|ring|laan|plein|gracht|kade"
    r"|singel|gata|vägen|vej|gade|vei|[Rr]ue|avenue|chemin|impasse|quai|Calle|Aven|Plaza|Paseo|Via|Piazza"
    r"|Corso|Rua|Prac|Largo|Walk|Quay|allée|Allée"
)
_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
NATIONAL: Final = re.compile(
    r"(?<![\w\-])(?:(?P<dni>[XYZ]?\d{7,8}-?[A-Z])"
    r"|(?P<fiscale>[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z])"
    r"|(?P<curp>[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d)"
    r"|(?P<nino>[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: \d\d){3} [A-D])|(?P<nir>[12] ?\d\d ?(?:0[1-9]"
    r"|1[0-2]) ?2[AB] ?\d{3} ?\d{3} ?\d\d))(?![\w\-])"
)


_DIGIT_LETTER: Final = re.compile(r"\d[- ]?[A-Z]")
_HOUSE: Final = re.compile(
    r"\d(?:(?<=[\w.,] \d)|[A-Za-z]?,? (?:[A-Z]|rue|ave|bou|che|imp|all|qua|cou|rou|bis|ter))"
)


def find_person(text: str) -> list[Span]:
    """Spans of postal addresses and of national ids with a check character."""
    spans: list[Span] = []
    if _DIGIT_LETTER.search(text):
        for match in NATIONAL.finditer(text):
            if match.lastgroup == "dni" and not _is_dni(match.group()):
                continue
            spans.append(Span(match.start(), match.end(), "national_id"))
        spans.extend(Span(match.start(1), match.end(1), "national_id") for match in _NINO.finditer(text))
    if _HOUSE.search(text) and STREET_WORDS.search(text):
        for pattern in (ADDRESS, ADDRESS_GERMANIC, ADDRESS_ROMANCE):
            spans.extend(Span(match.start(), match.end(), "address") for match in pattern.finditer(text))
    return spans


def _is_dni(value: str) -> bool:
    value = value.replace("-", "")
    first = value[0]
    digits = value[:-1] if first.isdigit() else str("XYZ".index(first)) + value[1:-1]
    return len(digits) == 8 and _DNI_LETTERS[int(digits) % 23] == value[-1]
