"""What a key promises about its value."""

import pytest

from app.observability.scrubbing import scrub_event
from app.observability.scrubbing.keys import MAX_CACHED_KEYS, KeyClass, KeyClassifier
from app.observability.scrubbing.words import words

CLASSIFY = KeyClassifier().classify

TELLING = words(
    """
    password user_password newPassword DB_PASSWORD smtpPassword dbpassword pwd passwd apiKey api-key
    X-Api-Key x_api_key apikey access_token refreshToken client-secret clientSecret
    AWS_SECRET_ACCESS_KEY stripe_secret_key authorization Proxy-Authorization cookie Set-Cookie
    csrf_token XSRF-TOKEN csrfmiddlewaretoken sessionid sessionId PHPSESSID connect.sid cvv card_number
    cardNumber ssn socialSecurityNumber date_of_birth dateOfBirth dob email emailAddress contact_email
    phone mobileNo first_name lastName iban accountNumber routing_number passport_number client_ip
    X-Forwarded-For user[password] login.password p%61ssword b'authorization' 'password'
    http.request.header.authorization Kennwort wachtwoord mot_de_passe contraseña 密码 пароль
    \uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44
    dbpass newpass keystorePass rootpw smtp_pw whsecret fcmToken mytoken activation_key licensekey
    customername Fastly-Key GITHUB_PAT oobCode code_verifier imie nombre_completo mật_khẩu κωδικός סיסמה
    كلمة_المرور lozinka 地址 имя
    password2 hashed_password private_key webhook_secret street_name invite_code
    """
)
HARMLESS = words(
    """
    author author_id authored_at authority passenger compass tokenizer secretary secretariat keyboard
    keyword keywords monkey cardinality discard max_tokens prompt_tokens token_type token_count
    token_expires_at token_ttl session_timeout password_policy password_min_length has_password
    is_authenticated email_verified emails_queued otp_enabled api_key_count sort_key cache_key
    primary_key idempotency_key key name code id level signal design panel pandas_version turkey hotkey
    pincode_length signature_algorithm zip_file ip_version address_family server_name function_name
    page_token nexttoken subtoken access_token_lifetime bypass compass trespass
    display_name token_url api_key_header password_changed_at csrf_enabled
    """
)


@pytest.mark.parametrize("name", sorted(TELLING))
def test_a_telling_name_is_seen_in_every_spelling(name: str) -> None:
    assert CLASSIFY(name) is not KeyClass.NONE


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_a_name_that_only_contains_a_telling_word_is_harmless(name: str) -> None:
    assert CLASSIFY(name) is KeyClass.NONE


def test_own_words_match_in_every_spelling() -> None:
    classify = KeyClassifier(extra=["badge number"]).classify
    assert all(
        classify(name) is KeyClass.SECRET for name in ("badgeNumber", "badge_number", "X-Badge-Number")
    )


def test_names_that_come_after_the_cache_is_full_are_remembered_too() -> None:
    keys = KeyClassifier()
    for i in range(MAX_CACHED_KEYS + 1):
        keys.classify(f"field_{i}_x")
    assert keys.cached == 1
    assert keys.classify("password") is KeyClass.SECRET
    assert keys.cached == 2


def test_an_allowed_name_wins() -> None:
    classify = KeyClassifier(allow=["session token"]).classify
    assert classify("sessionToken") is KeyClass.NONE
    assert classify("token") is KeyClass.SECRET


RANDOM = "q7RzmT4vLx2K" + "w9PdYc3NhBs8"


@pytest.mark.parametrize("name", ["s3_key", "user_code", "pat", "deviceChallenge", "verify_token"])
def test_a_name_that_may_hold_an_id_or_a_credential_is_judged_by_its_value(name: str) -> None:
    assert CLASSIFY(name) is KeyClass.RANDOM
    kept = {name: "uploads/2026/report.csv", f"{name}s": 42501}
    assert scrub_event({"extra": dict(kept)})["extra"] == kept
    assert RANDOM not in str(scrub_event({"extra": {name: RANDOM}}))


@pytest.mark.parametrize("value", [200, 42501, "E123", "42501", "3f2a9c1b-e1d2-4f7b-8a6d-5e4c3b2a1908"])
def test_a_code_that_is_no_credential_stays(value: object) -> None:
    assert scrub_event({"extra": {"error_code": value}})["extra"] == {"error_code": value}


def test_fields_name_each_other_with_capitals_too() -> None:
    out = scrub_event({"extra": {"p": {"Name": "/prod/db_" + "password", "Value": "Winter" + "9328"}}})
    assert "Winter9328" not in str(out)
