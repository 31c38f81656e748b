"""What libraries, tools and other languages say, as they say it."""

import pytest

from app.observability.scrubbing import scrub_text
from tests.unit.scrubbing.examples import OPAQUE, SECRET

MIXED = "q7Rz" + "mT4vLx2K"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f'invalid input syntax for type integer: "{SECRET}"\nLINE 1: select {SECRET}', SECRET),
        (f"unknown command 'AUTH', with args beginning with: 'default' '{MIXED}'", MIXED),
        (f"[cached since 3s ago] ('anna', '{MIXED}')", MIXED),
        (f"Invalid header value b'{MIXED}\\n'", MIXED),
        (f"HTTPBasicAuth('anna', '{SECRET}')", SECRET),
        (f"Login(user='anna', password=SecretStr('{SECRET}'))", SECRET),
        (f'Authorization: Digest username="anna", response="{MIXED}"', MIXED),
        (f"Sec-WebSocket-Protocol: access_token, {OPAQUE}", OPAQUE),
        (f"Zugangsdaten: bot / {SECRET}", SECRET),
        (f"ldap_bind failed with bindpw {MIXED}", MIXED),
        ("Use 8842" + "13 as your login code", "8842" + "13"),
        (f"chave_secreta={MIXED}", MIXED),
        (f"klucz_api: {MIXED}", MIXED),
        (f"api_schlüssel: {MIXED}", MIXED),
        (f"jeton_acces={MIXED}", MIXED),
        (f"senha do usuário: {MIXED}", MIXED),
        ("Kreditkartennummer=99998888" + "77776666", "99998888" + "77776666"),
    ],
)
def test_a_secret_goes_from_what_they_say(text: str, secret: str) -> None:
    once = scrub_text(text)
    assert secret not in once
    assert scrub_text(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "unknown command 'HELO', with args beginning with: 'default'",
        "[cached since 3s ago] (7, 12)",
        "HTTPBasicAuth(user, password)",
        "Sec-WebSocket-Protocol: graphql-ws, chat",
        "credentials missing / expired",
        "chave não encontrada",
        "clé primaire: id",
        "Session 8f1b2c3d started for worker 3",
        "auth: provider=google method=oauth2",
        "idempotency-key: 5f1c2d3e-0000-4000-8000-9d8c7b6a5f4e",
        "usuario: admin",
    ],
)
def test_the_harmless_stays_in_what_they_say(text: str) -> None:
    assert scrub_text(text) == text
