"""What a name tells beyond its own words: in a query, at the end of a phrase, in a field that names another."""

import re
from typing import Final

from .keys import SYNONYMS, KeyClass
from .spans import Classify
from .words import words

NAME_FIELDS: Final = words(
    "name key field header param parameter loc column attribute variable label property id for k type path"
)
VALUE_FIELDS: Final = words(
    "value val v input input_value content data text old new default current stringvalue"
)
_QUOTED_ITEM: Final = re.compile(r"""["']([^"'\\]{1,80})\\{0,4}["']""")
# Keys of caches that hold what opens a door: `reset:<token>`.
DOORS: Final = words("reset invite verify magic activation activate confirm refresh login recover")
# The same at the end of a longer name: `password_reset:<token>`.
DOOR_ENDS: Final = tuple(f"_{door}" for door in sorted(DOORS))
DOOR_VALUE: Final = re.compile(r"[\w\-]{16,200}(?![\w:])")
# What these say in a query they say nowhere else. A code of other lengths is an error's, a country's or a voucher's.
URL_NAMES: Final = {
    **dict.fromkeys(
        words("key invite sig ticket k t h hash state assertion samlresponse appid"),
        KeyClass.WEAK,
    ),
    **dict.fromkeys(words("code magic verifier grant p s"), KeyClass.RANDOM),
}
_LONG_PARAMETER: Final = re.compile(r"[^\s&#\"'<>]{12}")
CODE_WORD: Final = re.compile(r"[A-Za-z0-9]{6,8}(?![\w.\-])")
ONE_TIME: Final = re.compile(r"(?:\d{6}|(?=[A-Za-z\-_]*\d)[\w\-.~]{12,})(?![\w.\-~%+@])")
# As people choose a password: cases and digits mixed; no page, product or path looks like it.
_TYPED: Final = re.compile(
    r"=?(?=[^\s&]{0,40}(?:\d\d|\d[^\s&]{11}|\d[^\s&]{0,40}\d))(?=[^\s&]{0,40}[A-Z])(?=[^\s&]{0,40}[a-z])"
    r"[A-Za-z0-9!@$*_]{8,40}(?![\w\-./%])"
)
LONG_RUN: Final = re.compile(r"[\s\"'\\=>:({\[]{0,12}(?:%2[27])?[A-Za-z0-9_\-+/~.%]{20}")


def may_be_secret(text: str, end: int, name: str) -> bool:
    """A cheap look at what follows a name that is telling in a query only."""
    if name == "p" and _TYPED.match(text, end):
        return True
    shape = _LONG_PARAMETER if URL_NAMES[name] is KeyClass.WEAK else LONG_RUN
    return shape.match(text, end) is not None or (name == "code" and ONE_TIME.match(text, end) is not None)


def phrase_kind(name: str, before: str, first: str, classify: Classify) -> KeyClass:
    """Names of two or three words: `api key`, `date of birth`, `password value`."""
    if name in _VALUE_WORDS:
        return classify(before)
    if name.lower() in _OWNERS:
        return classify(first) if first and before.lower() in _OF else KeyClass.NONE
    alone = classify(before)
    kind = classify(f"{before} {name}")
    if kind is KeyClass.NONE and first and before.lower() in _MIDDLE:
        alone = classify(first) or classify(f"{first} {before}")
        kind = classify(f"{first} {before} {name}")
    return kind if alone is KeyClass.NONE or name.lower() in _NOUNS else KeyClass.NONE


# A parser's token: `unexpected token: identifier`.
PARSER_WORDS: Final = words("unexpected expected illegal unknown stray bogus lambda offending stop special")
_VALUE_WORDS: Final = words("value is was are string text tuple pair")
_OF: Final = words("do da de del du des der van von für fuer para pour per")
_OWNERS: Final = words(
    "usuário usuario usuária gebruiker benutzer benutzers nutzers utilisateur compte cuenta conta utente konto"
)
_MIDDLE: Final = words("of de security insurance secret access api license account")
_NOUNS: Final = words("key keys token id secret code number hash phrase cookie name address pin") | {
    word for word, meaning in SYNONYMS.items() if meaning in ("key", "token")
}
PHRASE_ENDS: Final = (
    _VALUE_WORDS
    | _OWNERS
    | _NOUNS
    | words("birth date passe license licence answer ip addr identity account card plate")
)


def in_query(text: str, at: int) -> bool:
    """True if the name that starts here is a parameter of a query or of a form."""
    return (
        at <= 0
        or text[at - 1] in "?&#;"
        or (text[at - 1] in "'\"" and FORM_GOES_ON.match(text, at) is not None)
    )


def named_kind(text: str, at: int, classify: Classify, is_patch: bool = False) -> KeyClass:
    """The kind of the name that is itself a value here: `"name": "DB_PASSWORD"`, `loc: ("body", "token")`."""
    opened = (_PATCHED if is_patch else _NAMED).match(text, at)
    if not opened:
        return KeyClass.NONE
    if opened.group(1):
        kind = KeyClass.NONE
        for item in _QUOTED_ITEM.finditer(opened.group(1)):
            kind = classify(item.group(1))
        return kind
    return classify(opened.group(2))


_NAMED: Final = re.compile(r"""\s{0,4}(?:[(\[]([^)\]]{1,120})[)\]]|[bBuU]?\\{0,4}["']?/?([\w.\-]{2,60}))""")
# The same where it ends a path, as in a JSON patch.
_PATCHED: Final = re.compile(r"""\s{0,4}(\Z.)?\\{0,4}["'](?:/[\w.\-~]{1,40}){0,8}/([\w.\-]{2,60})""")


def pydantic_field(text: str, at: int, classify: Classify) -> KeyClass:
    """What the field promises whose name stands alone in the line above, as pydantic writes it."""
    line = text.rfind("\n  ", 0, at)
    if line < 0:
        return KeyClass.NONE
    field = text[text.rfind("\n", 0, line) + 1 : line].strip()
    return classify(field.rpartition(".")[2]) or classify(field)


FORM_GOES_ON: Final = re.compile(r"[^\s&#\"'`<>]{1,2000}&[\w.\-\[\]]{1,60}=")
