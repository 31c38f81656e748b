"""Whole strings that no rule can touch. Most leaves are such, so one of these matches is what a leaf costs."""

import re
from typing import Final

# Words, short numbers, hashes, reprs of objects, timestamps. Group 1 is the rest of a sentence, group 2 what seldom
# comes a second time.
match_plain: Final = re.compile(
    r"(?!'*-)[a-z._/'*]*+(?:-[a-z._/'*]++)*+( [a-z ._/'*]*+(?:-[a-z ._/'*]++)*+)?"
    r"|(<[\w.]+ object at 0x[0-9a-f]+>|-?[0-9]{1,12}+|[012789][0-9]{12,13}+|[0179][0-9]{15,18}+"
    # readable text in hex has no byte beyond 7f
    r"|'?(?:(?=[0-9]{0,12}[a-f])[0-9a-f]{8,19}+'?"
    r"|(?=[0-9]{0,63}[a-f])(?=[0-9a-f]{20,64}+'?\Z)(?:[0-7][0-9a-f])*+[89a-f][0-9a-f]++'?)"
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}(?=[0-9]{0,11}[a-f])[0-9a-f]{12}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[0-9.]*(?:Z|[+-][0-9]{2}:[0-9]{2})?)"
    r"|[A-Z]?[a-z]*|[a-z_]{1,40}_[0-9]{1,6}"
).fullmatch
# What fields for ids and times mostly hold.
match_stamp: Final = re.compile(
    r"[0-9a-f]{16,40}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
).fullmatch
_match_hash: Final = re.compile(r"'?([0-9a-f]{20,64})'?").fullmatch


def is_plain(text: str) -> bool:
    """True if no rule can touch the text, as far as can be told at once."""
    plain = match_plain(text)
    return plain is not None and (plain.lastindex != 1 or not is_phrase(text))


def is_phrase(text: str) -> bool:
    """True if a sentence of plain words is worth a look: a password, a pass phrase, a seed phrase, a mnemonic."""
    return "seed " in text or "mnem" in text or "ssw" in text or "ssp" in text


def is_hash(text: str) -> bool:
    """True for a digest or an opaque id in hex that does not spell readable text."""
    found = _match_hash(text)
    if not found or found.group(1).isdigit():
        return False
    run = found.group(1)
    return len(run) % 2 == 1 or not bytes.fromhex(run).isascii()
