"""The one marker that stands where something was removed."""

from typing import Final

FILTERED: Final = "[Filtered]"
TRUNCATED: Final = "[Truncated]"


RULES: Final = {
    "address": "a postal address",
    "auth": "what follows Bearer, Basic or Token",
    "birth_date": "a date of birth in a sentence",
    "budget": "the unscanned rest of a payload that is too large",
    "card": "a card number with an issuer's prefix and a right check digit",
    "cli": "a password on a command line or in a dialogue",
    "custom": "one of the user's own patterns",
    "echo": "a value that a library could not parse and quoted",
    "email": "an e-mail address",
    "encoded": "base64 or hex that spells out something sensitive",
    "error": "a value that made a rule fail",
    "iban": "a bank account with a right checksum",
    "ip": "a public address",
    "key": "a value under a telling name",
    "name": "a person's name in a sentence",
    "national_id": "a number a state gave to a person",
    "number": "a number too long to look at",
    "parameters": "parameters of a statement",
    "path_token": "a token in a path",
    "phone": "a phone number",
    "private_key": "a private key, whole or in part",
    "prose": "a secret in a sentence",
    "row": "the values of a row",
    "sql": "a literal in SQL",
    "ssn": "a US social security number",
    "taint": "a value that stood under a telling name elsewhere",
    "token": "a credential known by its shape",
    "url_password": "the password of a URL",
    "webhook": "the secret part of a webhook's URL",
}


def marker(rule: str) -> str:
    """Name the rule that removed a value; a marker never holds a piece of the value or a hash of it."""
    return f"[Filtered:{rule}]"
