"""The key=value engine: finds ``name <separator> value`` in any text and decides by the name.

One mechanism covers JSON (nested, escaped, truncated), reprs of models, dataclasses, dicts and bytes, forms, queries,
fragments, YAML, INI, environment dumps, log lines, connection strings, headers, cookies and command lines. It walks
from separator to separator, reads the name backwards and the value forwards; linear in the text.
"""

import re
from collections.abc import Iterable
from typing import Final

from .harmless import is_harmless, is_word, is_wordy, looks_opaque
from .keys import SYNONYMS, KeyClass
from .spans import Classify, Span
from .words import words

SEPARATOR: Final = re.compile("[=:\uff1a\uff1d]")
# Rarer separators, looked for only where their first character stands.
_RARE: Final = re.compile(r"""->|%(?:25){0,3}3[DdAa]|(?<!\\)\\{1,8}(?:u00|x)3[daDA]|(?<=&quot;),""")
# A name and its value as two items of a list: `("password", "x")`.
_QUOTED_NAME: Final = re.compile(r"""["'`]([^"'`\n,]{0,60}? )?([\w.$\-]{1,64})\\{0,4}["'`]\s?,""")
# Reads a name backwards: the text is reversed, so are the entities in here.
_NAME: Final = re.compile(
    r"""[ \t]{0,12}(?:;touq&|[\"'`\\\])*]){0,10}([\w.$%\-]{1,64})
    (?:[ ]([\w\-]{1,20}))?(?:[ ]([\w\-]{1,20}))?""",
    re.VERBOSE,
)
_OPEN: Final = re.compile(
    r"""=?>?[ \t]{0,20}(?:</?\w{1,12}>[ \t]{0,3}){0,3}(?:\*\*[ ]?(?=[^*\s]))?
    (?:value[ ](?=["']))?(?:Secret\w{0,8}\((?=b?["']))?(?:[bBuUrRfF]{1,2}(?=\\*["'`]))?
    (?:(?:!{1,2}[\w\-/.]{1,40}|&[\w\-]{1,30})[ ]){0,2}
    (?:(\\*)(["'`]{3}|["'`])|(&quot;|&\#34;|&\#39;)|(%(?:25){0,3}2[27]))?""",
    re.VERBOSE,
)
_REVERSED_MARKER: Final = "[Filtered:"[::-1]
_BARE: Final = re.compile(r"[^\s<>\"`\x00]{1,3072}")
_CUT: Final = re.compile(
    r"""[&;,|)\]}](?=\s|$|["'`\])}]|[\w.\-\[\]%]{1,40}["']?\s?[=:])|&(?=[\w%.\-\[\]]+=)|&quot;"
        r"|\\{1,8}["'nrt]|'(?=[,;)\]}\s:&]|$)|%(?:25)*26|\x1b"""
)
_SCHEME: Final = re.compile(
    r"(?:bearer|basic|token|digest|negotiate|apikey|api-key|jwt|hawk|oauth|hmac|signature"
    r"|aws4-hmac-sha256|key|bot|pop|dpop)\s+",
    re.IGNORECASE,
)
# A header of parts: `t=1,v1=...`.
_PARTS: Final = re.compile(
    r"\s{0,4}\w{1,20}=[^\s,;\"']{1,2000}(?:[,;] ?[\w\-]{1,30}=(?:\"[^\"\n]{0,2000}\""
    r"|[^\s,;\"']{1,2000})){1,12}(?=\s*(?:[\r\n\"']|\\|$))"
)
_REST_OF_LINE: Final = re.compile(r"[^\r\n\"'`<>\\]{1,3072}")
_CHALLENGE: Final = re.compile(
    r"(?:digest|hawk|signature|oauth)\s+\w{1,30}=\"[^\r\n'`<>]{1,3072}", re.IGNORECASE
)
_CREDENTIAL_PAIR: Final = re.compile(
    r"""[(\[]\s?[bu]?["'][^"'\n]{1,80}["'],\s?[bu]?["']([^"'\n]{4,200})["']\s?[)\]]"""
)
# A call, a subscript or an attribute: code that computes the value, not the value.
_CODE: Final = re.compile(
    r"(?:[A-Za-z_]{2,40}\.){0,4}[A-Za-z_]{2,40}(?:\(|\[['\"\w])|(?:self|cls|settings|config|request"
    r"|response|user|os)\.[A-Za-z_.]{2,60}(?![\w!@#$])"
)
# A parameter of a statement and the type it is cast to.
_BOUND: Final = re.compile(
    r"(?:\$\d{1,3}|%s|%\(\w{1,60}\)s|:[A-Za-z_]\w{0,60}|\?)::[A-Za-z_\"][\w.\"]{0,60}(?![\w!@#$%^&*+~:\-])"
)
_NEXT_LINE: Final = re.compile(r"[ \t]{0,8}(?:[|>][-+]?)?[ \t]{0,8}(?:\r?\n[ \t]{0,16}){1,3}")
_BARE_NUMBER: Final = re.compile(r"\d{5,40}(?=[)\]])")
_LINE_END: Final = re.compile(r"[ \t]{0,8}(?:\r?\n|$)")
_BLOCK: Final = re.compile(r"[ \t]{0,8}[|>][-+]?[ \t]*\r?\n((?:[ \t]+[^\r\n]*(?:\r?\n|$)){1,80})")
# Terraform names a variable before the block that holds its value.
_VARIABLE_BLOCK: Final = re.compile(r"\bvariable\s+[\"']([\w\-]{2,60})[\"']\s*\{")
_NAME_FIELDS: Final = words(
    "name key field header param parameter loc column attribute variable label property id for k type path"
)
_VALUE_FIELDS: Final = words(
    "value val v input input_value content data text old new default current stringvalue"
)
_HEREDOC: Final = re.compile(
    r"<<[-~]?[\"']?(\w{1,20})[\"']?\r?\n\s{0,16}([^\n]{3,2000}(?:\n(?!\s{0,16}\1\b)[^\n]{1,2000}){0,40})"
)
# As ODBC quotes a value: `PWD={...};`.
_BRACED: Final = re.compile(r"\{([^{}\s\"';,:().]{6,200})\}(?=;|$|[\"'])")
_QUOTED_ITEM: Final = re.compile(r"""["']([^"'\\]{1,80})\\{0,4}["']""")
_PASSPHRASE: Final = re.compile(r"[a-z]{3,12}(?:[ \-][a-z]{3,12}){2,23}(?=\s*(?:$|[\r\n\"']))")
_PAIR: Final = re.compile(r"[a-z][a-z_\-]{1,30}=[^=]")
_COUNT_TAIL: Final = re.compile(
    r"\d{1,4}(?: (?:of|attempts?|more|left|chars?|characters?|items?|days?|hours?|minutes?|seconds?"
    r"|times)\b|/\d)"
)
# Keys of caches that hold what opens a door: `reset:<token>`.
_DOORS: Final = words("reset invite verify magic activation activate confirm refresh login recover")
_DOOR_VALUE: Final = re.compile(r"[\w\-]{16,200}(?![\w:])")
# How many characters may be looked at inside containers; beyond that they go unseen.
_CONTAINER_CHARS: Final = 100_000
# How many characters of values without quotes may be judged; beyond that they go unjudged.
_BARE_CHARS: Final = 400_000
_PENDING_CHARS: Final = 400


def find_pairs(text: str, classify: Classify, is_url: bool = False, is_source: bool = False) -> list[Span]:
    """Spans of the values whose names are telling, in order and without overlap."""
    spans: list[Span] = []
    budget = [_CONTAINER_CHARS, _BARE_CHARS]
    size = len(text)
    done = 0
    pending = KeyClass.NONE
    pending_end = -1
    matches: Iterable[re.Match[str]] = SEPARATOR.finditer(text)
    if "%" in text or "\\" in text or "->" in text or "&quot;" in text:
        matches = sorted((*matches, *_RARE.finditer(text)), key=re.Match.start)
    blocks = []
    if "{" in text and "\n" in text and "variable " in text:
        blocks = [(m.end(), classify(m.group(1))) for m in _VARIABLE_BLOCK.finditer(text)]
    if "'," in text or '",' in text or "`," in text:
        for item in _QUOTED_NAME.finditer(text):
            kind = classify(item.group(2))
            if kind is KeyClass.NONE or (item.group(1) and kind is not KeyClass.SECRET):
                continue
            span = _read_value(text, item.end(), ",", kind, item.group(2), is_source, budget)
            if span and not (item.group(1) and not looks_opaque(text[span.start : span.end])):
                spans.append(span)
    reverse = text[::-1]
    for match in matches:
        at = match.start()
        if at < done:
            continue
        named = _NAME.match(reverse, size - at)
        if not named:
            continue
        if reverse.startswith(_REVERSED_MARKER, named.end(1)):
            continue
        name = named.group(1)[::-1]
        end = match.end()
        kind = classify(name)
        if kind is KeyClass.SECRET and named.group(2) and named.group(2)[::-1].lower() in _PARSER_WORDS:
            continue
        if text[at] == "," and reverse[named.end(1) : named.end(1) + 1] not in _QUOTE_CHARS:
            continue
        if (
            kind is KeyClass.CODE
            and is_url
            and _CODE_WORD.match(text, end)
            and _in_query(text, size - named.end(1))
        ):
            kind = KeyClass.SECRET
        if kind is KeyClass.NONE and not is_source:
            before = named.group(2)
            if before and name.lower() in _PHRASE_ENDS:
                kind = _phrase_kind(name, before[::-1], (named.group(3) or "")[::-1], classify)
        if kind is KeyClass.NONE:
            low = name.lower()
            if is_url and low in _URL_NAMES and _may_be_secret(text, end, low):
                if not _in_query(text, size - named.end(1)):
                    continue
                kind = _URL_NAMES[low]
                if low == "code" and _ONE_TIME.match(text, end):
                    kind = KeyClass.SECRET
            elif low in _DOORS and text[at] == ":" and text[end : end + 1].isalnum():
                door = _DOOR_VALUE.match(text, end)
                if not door or not looks_opaque(door.group()):
                    continue
                kind = KeyClass.WEAK
            elif low in _NAME_FIELDS:
                told = _named_kind(text, end, classify)
                if told is not KeyClass.NONE:
                    pending, pending_end = told, end + _PENDING_CHARS
                continue
            elif low in _VALUE_FIELDS:
                while blocks and blocks[0][0] <= at:
                    pending, pending_end = blocks[0][1], blocks[0][0] + _PENDING_CHARS
                    del blocks[0]
                if low == "input_value":
                    kind = _pydantic_field(text, at, classify)
                elif pending is not KeyClass.NONE and at <= pending_end:
                    kind = pending
                pending = KeyClass.NONE
            if kind is KeyClass.NONE:
                continue
        if kind is KeyClass.RANDOM and not _LONG_RUN.match(text, end):
            continue
        span = _read_value(text, end, match.group(), kind, name, is_source, budget)
        if span:
            spans.append(span)
            done = span.end
    return spans


# What these say in a query they say nowhere else. A code of other lengths is an error's, a country's or a voucher's.
_URL_NAMES: Final = {
    **dict.fromkeys(words("key invite sig ticket k t h hash state assertion samlresponse"), KeyClass.WEAK),
    **dict.fromkeys(words("code magic verifier grant p s"), KeyClass.RANDOM),
}
_LONG_PARAMETER: Final = re.compile(r"[^\s&#\"'<>]{12}")
_CODE_WORD: Final = re.compile(r"[A-Za-z0-9]{6,8}(?![\w.\-])")
_ONE_TIME: Final = re.compile(r"(?:\d{6}|(?=[A-Za-z\-_]*\d)[\w\-.~]{12,})(?![\w.\-~%+@])")


_LONG_RUN: Final = re.compile(r"[\s\"'\\=>:({\[]{0,12}(?:%2[27])?[A-Za-z0-9_\-+/~.%]{20}")


def _may_be_secret(text: str, end: int, name: str) -> bool:
    """A cheap look at what follows a name that is telling in a query only."""
    shape = _LONG_PARAMETER if _URL_NAMES[name] is KeyClass.WEAK else _LONG_RUN
    return shape.match(text, end) is not None or (name == "code" and _ONE_TIME.match(text, end) is not None)


def _phrase_kind(name: str, before: str, first: str, classify: Classify) -> KeyClass:
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
_PARSER_WORDS: Final = words("unexpected expected illegal unknown stray bogus lambda offending stop special")
_VALUE_WORDS: Final = words("value is was are string text")
_OF: Final = words("do da de del du des der van von für fuer para pour per")
_OWNERS: Final = words(
    "usuário usuario usuária gebruiker benutzer benutzers nutzers utilisateur compte cuenta conta utente konto"
)
_QUOTE_CHARS: Final = ("'", '"', "`", ";")
_MIDDLE: Final = words("of de security insurance secret access api license account")
_NOUNS: Final = words("key keys token id secret code number hash phrase cookie name address pin") | {
    word for word, meaning in SYNONYMS.items() if meaning in ("key", "token")
}
_PHRASE_ENDS: Final = (
    _VALUE_WORDS
    | _OWNERS
    | _NOUNS
    | words("birth date passe license licence answer ip addr identity account card plate")
)


def _in_query(text: str, at: int) -> bool:
    return (
        at <= 0
        or text[at - 1] in "?&#;"
        or (text[at - 1] in "'\"" and _FORM_GOES_ON.match(text, at) is not None)
    )


def _named_kind(text: str, at: int, classify: Classify) -> KeyClass:
    """The kind of the name that is itself a value here: `"name": "DB_PASSWORD"`, `loc: ("body", "token")`."""
    opened = _NAMED.match(text, at)
    if not opened:
        return KeyClass.NONE
    if opened.group(1):
        kind = KeyClass.NONE
        for item in _QUOTED_ITEM.finditer(opened.group(1)):
            kind = classify(item.group(1))
        return kind
    return classify(opened.group(2))


_NAMED: Final = re.compile(r"""\s{0,4}(?:[(\[]([^)\]]{1,120})[)\]]|[bBuU]?\\{0,4}["']?/?([\w.\-]{2,60}))""")


def _pydantic_field(text: str, at: int, classify: Classify) -> KeyClass:
    line = text.rfind("\n  ", 0, at)
    if line < 0:
        return KeyClass.NONE
    field = text[text.rfind("\n", 0, line) + 1 : line].strip()
    return classify(field.rpartition(".")[2]) or classify(field)


def _read_value(
    text: str, at: int, separator: str, kind: KeyClass, name: str, is_source: bool, budget: list[int]
) -> Span | None:
    opened = _OPEN.match(text, at)
    start = opened.end() if opened else at
    if start >= len(text):
        return None
    rule = ""
    if is_source:
        return _read_source(text, at, kind, name, separator)
    if opened and opened.group(2):
        end = _closing(text, start, opened.group(1) + opened.group(2))
        return _judge_quoted(text, start, end, kind, rule, separator)
    if opened and (opened.group(3) or opened.group(4)):
        closer = opened.group(3) or opened.group(4)
        end = text.find(closer, start)
        return _judge_quoted(text, start, len(text) if end < 0 else end, kind, rule, separator)
    if separator == ",":
        number = _BARE_NUMBER.match(text, start)
        return Span(start, number.end()) if number and kind is KeyClass.SECRET else None
    char = text[start]
    if char == "<":
        here = _HEREDOC.match(text, start)
        if here and not is_harmless(here.group(2), kind):
            return Span(here.start(2), here.end(2))
    if char == "{":
        braced = _BRACED.match(text, start)
        if (
            braced
            and separator == "="
            and kind is KeyClass.SECRET
            and not braced.group(1).islower()
            and looks_opaque(braced.group(1))
            and braced.group(1)[-2] != "!"
        ):
            return Span(braced.start(1), braced.end(1))
    if char in "{[(":
        return _read_container(text, start, kind, budget)
    if char in "\r\n|>":
        return _read_block(text, start, kind) if separator == ":" else None
    return _read_bare(text, start, separator, kind, name, budget)


def _closing(text: str, start: int, closer: str) -> int:
    """Where the quoted value ends; a quote with more backslashes before it is part of the value."""
    depth = len(closer) - 1
    i = start
    limit = min(len(text), start + 16384)
    while True:
        i = text.find(closer, i, limit)
        if i < 0:
            return limit
        j = i
        while j > start and text[j - 1] == "\\":
            j -= 1
        slashes = i - j + depth
        if depth == 0 and (i - j) % 2 == 1:
            i += 1
            continue
        if depth and slashes > depth:
            i += 1
            continue
        return i


def _judge_quoted(text: str, start: int, end: int, kind: KeyClass, rule: str, separator: str) -> Span | None:
    value = text[start:end]
    if is_harmless(value, kind):
        return None
    if separator == ",":
        # Two names in a row are a list of names, not a name and its value.
        if (
            value.isidentifier()
            and value.islower()
            and ("_" in value or is_word(value) or kind is not KeyClass.SECRET)
        ):
            return None
        if text[end : end + 2].strip(" ").startswith(","):
            return None if not looks_opaque(value) else Span(start, end)
    if kind is KeyClass.SECRET and " " in value and _is_sentence(value):
        return None
    return Span(start, end)


def _is_sentence(value: str) -> bool:
    words = value.split()
    if len(words) < 2 or any(any(c.isdigit() for c in w) and not w.isdigit() for w in words):
        return False
    return sum(1 for word in words if is_word(word)) * 2 >= len(words) or (
        is_word(words[0]) and len(words) > 2
    )


def _read_container(text: str, start: int, kind: KeyClass, budget: list[int]) -> Span | None:
    if kind is not KeyClass.SECRET:
        pair = _CREDENTIAL_PAIR.match(text, start) if kind is KeyClass.WEAK else None
        return Span(pair.start(1), pair.end(1)) if pair and looks_opaque(pair.group(1)) else None
    stack = 0
    limit = min(len(text), start + 4096)
    if budget[0] < 0:
        return Span(start, limit)
    for i in range(start, limit):
        budget[0] -= 1
        char = text[i]
        if char in "{[(":
            stack += 1
        elif char in "}])":
            stack -= 1
            if not stack:
                inner = text[start + 1 : i]
                if not any(q in inner for q in "\"'") and not looks_opaque(inner):
                    return None
                if any(
                    not is_harmless(item, KeyClass.WEAK)
                    for item in re.findall(r"""["']([^"']*)["']""", inner)
                ):
                    return Span(start, i + 1)
                return None
    return Span(start, limit) if any(q in text[start:limit] for q in "\"'") else None


def _read_block(text: str, at: int, kind: KeyClass) -> Span | None:
    block = _BLOCK.match(text, at)
    if block and kind is KeyClass.SECRET:
        return Span(block.start(1), block.end(1))
    line = _NEXT_LINE.match(text, at)
    if not line:
        return None
    bare = _BARE.match(text, line.end())
    if not bare or bare.group()[-1] in ":=" or "=" in bare.group():
        return None
    alone = (
        kind is KeyClass.SECRET
        and len(bare.group()) >= 6
        and _LINE_END.match(text, bare.end())
        and not is_word(bare.group())
    )
    if not alone and not looks_opaque(bare.group()):
        return None
    if is_harmless(bare.group(), kind):
        return None
    return Span(bare.start(), bare.end())


def _read_bare(
    text: str, start: int, separator: str, kind: KeyClass, name: str, budget: list[int]
) -> Span | None:
    low = name.lower()
    if "cookie" in low or "authorization" in low or "authorisation" in low:
        rest = _CHALLENGE.match(text, start) or _REST_OF_LINE.match(text, start)
        if rest and (("cookie" in low and "=" in rest.group()[:200]) or _SCHEME.match(rest.group())):
            return None if is_harmless(rest.group(), kind) else Span(start, rest.end())
    if separator == ":" and kind is KeyClass.SECRET:
        parts = _PARTS.match(text, start)
        if parts:
            return Span(start, parts.end())
    scheme = _SCHEME.match(text, start)
    if scheme and kind is not KeyClass.PERSONAL:
        credential = _BARE.match(text, scheme.end())
        if credential and looks_opaque(credential.group().strip("'\",;")):
            start = scheme.end()
    bare = _BARE.match(text, start)
    if not bare or _CODE.match(text, start) or _BOUND.match(text, start):
        return None
    value = bare.group()
    budget[1] -= len(value)
    if budget[1] < 0:
        return Span(start, bare.end())
    cut = _CUT.search(value, 1) if len(value) > 1 else None
    if cut:
        value = value[: cut.start()]
    value = value.rstrip(".,;:!?)]}'\"") or value
    end = start + len(value)
    if kind is KeyClass.PERSONAL or kind is KeyClass.PLACE:
        end = _extend_personal(text, start, end, separator)
        value = text[start:end]
    if (
        is_harmless(value, kind)
        or (separator == ":" and is_word(value))
        or value.lower() in (low, low.rpartition(".")[2])
    ):
        return None
    if (
        kind is KeyClass.SECRET
        and len(value) == 3
        and separator == ":"
        and value.isdigit()
        and "token" in low
    ):
        return None
    if kind is KeyClass.WEAK and separator == ":" and _PAIR.match(value):
        return None
    if _is_sentence_part(text, value, end, separator, kind):
        return None
    if separator in ":=" and kind is KeyClass.SECRET and value.isalpha() and value.islower():
        phrase = _PASSPHRASE.match(text, start)
        if phrase and not any(is_word(word) for word in phrase.group().split()):
            return Span(start, phrase.end())
    if value.isdigit() and (
        (
            separator == ":"
            and len(value) < 4
            and low.endswith(("keys", "tokens", "secrets", "passwords", "cookies"))
        )
        or _COUNT_TAIL.match(text, start)
        or (len(value) <= 6 and name.lower() in ("id", "finished"))
    ):
        return None
    return Span(start, end)


_SOURCE_LITERAL: Final = re.compile(
    r"""=?[ \t]{0,8}(?:[\w.\[\], |]{1,40}?[ \t]{0,4}=[ \t]{0,4})?(?:SecretStr\(|str\()?"""
    r"""[bBuUrRfF]{0,2}(["'])((?:Bearer |Basic |Token )?[^"'\n\\{}]{3,400})\1"""
)


def _read_source(text: str, at: int, kind: KeyClass, name: str, separator: str) -> Span | None:
    """In source only a literal counts, and only one that reads like a credential."""
    literal = _SOURCE_LITERAL.match(text, at)
    if not literal:
        if separator == "=" and _stands_in_query(text, at, name):
            return _read_query(text, at, kind)
        pair = _CREDENTIAL_PAIR.match(text, at)
        return Span(pair.start(1), pair.end(1)) if pair and looks_opaque(pair.group(1)) else None
    value = literal.group(2).rpartition(" ")[2] if _SCHEME.match(literal.group(2)) else literal.group(2)
    if is_harmless(value, kind) or "%" in value or "://" in value or " " in value.strip():
        return None
    if value.isdigit() and len(value) <= 8 and separator != "," and _SHORT_CODE_NAME.search(name):
        return Span(literal.start(2), literal.end(2))
    if not looks_opaque(value) or is_wordy(value):
        # Names of constants and of settings have joints; a lone word in capitals under a password is its value.
        is_value = separator != "," and value.isalpha() and value.isupper() and _PASSWORD_NAME.search(name)
        return Span(literal.start(2), literal.end(2)) if is_value and len(value) >= 6 else None
    if _COLOUR.match(value) or (_NOT_SPELT.match(value) and not any(c.isdigit() for c in value)):
        return None
    return Span(literal.start(2), literal.end(2))


_COLOUR: Final = re.compile(r"#(?:[0-9A-Fa-f]{3}){1,2}$")
_NOT_SPELT: Final = re.compile(r"[\w.]+:[\w.]*$|[^\w]+$")
_SHORT_CODE_NAME: Final = re.compile(r"(?:pass(?:word|code)|cvv|cvc|pin|otp)$", re.IGNORECASE)
_PASSWORD_NAME: Final = re.compile(r"pass|pwd|secret|key", re.IGNORECASE)
_QUERY_VALUE: Final = re.compile(r"[^\s&#\"'`<>\\{}$]{4,2000}(?![{$]|%[sd(])")


def _stands_in_query(text: str, at: int, name: str) -> bool:
    """True for a name after ``?`` or ``&``, and for the first of a form inside a literal."""
    before = text[at - len(name) - 2 : at - len(name) - 1]
    return before in ("?", "&") or (before in ("'", '"') and _FORM_GOES_ON.match(text, at) is not None)


_FORM_GOES_ON: Final = re.compile(r"[^\s&#\"'`<>]{1,2000}&[\w.\-\[\]]{1,60}=")


def _read_query(text: str, at: int, kind: KeyClass) -> Span | None:
    value = _QUERY_VALUE.match(text, at)
    if not value or value.group()[0] in "%<[(:" or is_harmless(value.group(), kind):
        return None
    if not looks_opaque(value.group()) and not (kind is KeyClass.SECRET and len(value.group()) >= 8):
        return None
    return Span(value.start(), value.end())


def _is_sentence_part(text: str, value: str, end: int, separator: str, kind: KeyClass) -> bool:
    """True if the value is the start of a sentence about the name: `token: not provided`."""
    if value.isalpha() and value.islower() and separator == ":" and text[end : end + 1] == " ":
        following = text[end : end + 24].split()
        if following and is_word(following[0]):
            return True
    if kind is not KeyClass.PERSONAL:
        return False
    parts = value.split()
    if len(parts) > 1 and is_word(parts[0]):
        return True
    spelt = value.replace(" ", "").isalpha() and (value.islower() or separator == ":")
    return spelt and any(is_word(part) for part in parts)


_TO_DELIMITER: Final = re.compile(
    r"(?: [^\s,;&|\"'<>()\[\]{}=:]{1,24}(?![=:\w])){1,5}(?=\s*(?:$|[,;&|\"'<>)\]}\r\n]))"
)


def _extend_personal(text: str, start: int, end: int, separator: str) -> int:
    """Names and addresses have blanks: take the words up to the next delimiter."""
    if separator not in ":=":
        return end
    more = _TO_DELIMITER.match(text, end)
    return more.end() if more else end


_NAME_LIST: Final = re.compile(
    r"""[\[(]\s?((?:["']?[\w.\- ]{1,60}["']?\s?,\s?){1,30}["']?[\w.\- ]{1,60}["']?),?\s?[\])]"""
)
_VALUE_LIST: Final = re.compile(r"""[^\[(\n]{0,60}?[\[(]{1,2}\s?([^\[\]()\n]{1,2000})[\])]""")
_LIST_ITEM: Final = re.compile(r"""\s*(?:[bu]?"([^"]*)"|[bu]?'([^']*)'|([^,]+))\s*(?:,|$)""")


def find_parallel(text: str, classify: Classify) -> list[Span]:
    """Spans of values in a list that follows a list of their names."""
    spans: list[Span] = []
    for names in _NAME_LIST.finditer(text):
        kinds = [classify(name.strip(" \"'")) for name in names.group(1).split(",")]
        if not any(kinds):
            continue
        values = _VALUE_LIST.match(text, names.end())
        if not values:
            continue
        items = list(_LIST_ITEM.finditer(values.group(1)))[: len(kinds) + 1]
        if len(items) != len(kinds):
            continue
        for kind, item in zip(kinds, items, strict=True):
            group = item.lastindex or 1
            value = item.group(group).strip()
            if kind and not is_harmless(value, kind) and classify(value) is KeyClass.NONE and value != "%s":
                start = values.start(1) + item.start(group)
                spans.append(Span(start, start + len(item.group(group).rstrip())))
    return spans
