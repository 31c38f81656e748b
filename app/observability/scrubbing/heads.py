"""The nouns that say what follows in a sentence, and what must stand before those that mean nothing alone."""

from typing import Final

from .words import words

_SECRET_HEADS: Final = words("""
    password passwords passwd passphrase passcode passwort pw pwd contraseña contrasena kennwort
    wachtwoord senha clave parole пароль пароля hasło heslo parola parol şifre lösenord adgangskode salasana
    token tokens secret secrets credential credentials creds session sid
    cookie jwt signature mnemonic apikey passe bindpw rootpw zugangsdaten logindaten
""")
_KEY_HEADS: Final = words("key keys link phrase string")
_CODE_HEADS: Final = words("otp pin mpin cvv cvv2 cvc cvc2 tan totp passcode 2fa mfa")
_PLAIN_CODE_HEADS: Final = words("code código codes")
_NUMBER_HEADS: Final = words("""
    passport passeport pasaporte reisepass ssn itin ein nino cpf cnpj dni nie nif bsn pesel personnummer
    fødselsnummer cpr hetu aadhaar aadhar pan sin nir insee curp rfc tfn medicare hkid nric rut cuit cuil
    ahv iban bic abn tin nhs insurance security license licence plate fiscale steuer steuernummer
    kontonummer kundennummer ausweisnummer nss sozialversicherungsnummer sozialversicherungsnr
    rentenversicherungsnummer personalausweis id
""")
_PLAIN_NUMBER_HEADS: Final = words("number no nr num nummer account konto")
_BIRTH_HEADS: Final = words(
    "born birth birthday birthdate dob geboren geb geburtsdatum née né naissance nacido nacida nacimiento"
)
_NAME_HEADS: Final = words("name names surname")
HEAD_WORDS: Final = (
    _SECRET_HEADS
    | _KEY_HEADS
    | _CODE_HEADS
    | _PLAIN_CODE_HEADS
    | _NUMBER_HEADS
    | _PLAIN_NUMBER_HEADS
    | _BIRTH_HEADS
    | _NAME_HEADS
)
HEADS: Final = {
    **dict.fromkeys(_SECRET_HEADS, "s"),
    **dict.fromkeys(_KEY_HEADS, "k"),
    **dict.fromkeys(_NUMBER_HEADS, "n"),
    **dict.fromkeys(_PLAIN_NUMBER_HEADS, "m"),
    **dict.fromkeys(_BIRTH_HEADS, "b"),
    **dict.fromkeys(_NAME_HEADS, "f"),
    **dict.fromkeys(_PLAIN_CODE_HEADS, "d"),
    **dict.fromkeys(_CODE_HEADS, "c"),
}
# What must stand before a head that means nothing alone.
KEY_BEFORE: Final = (
    "api", "access", "private", "secret", "license", "licence", "account", "encryption", "signing",
    "master", "recovery", "ssh", "deploy", "webhook", "shared", "subscription", "magic", "seed",
    "connection", "service", "fernet", "reset",
)  # fmt: skip
CODE_BEFORE: Final = (
    "verification", "confirmation", "security", "login", "log-in", "sign-in", "signin", "access", "auth",
    "authentication", "authorization", "time", "2fa", "mfa", "sms", "reset", "backup", "recovery",
    "invite", "pin", "otp", "activation", "unlock", "your", "use", "the", "enter", "with", "dein", "ihr",
)  # fmt: skip
NUMBER_BEFORE: Final = (
    "account", "acct", "routing", "bank", "card", "passport", "customer id", "driving licence",
    "driving license", "driver license", "drivers license", "driver's license", "license", "licence",
    "insurance", "security", "tax", "health", "medicare", "national id", "identity", "personal", "vat",
    "nhs", "konto", "kunden", "ausweis", "policy", "national", "social security", "social insurance",
    "steuer",
)  # fmt: skip
NAME_BEFORE: Final = (
    "customer", "full", "first", "last", "patient", "guest", "cardholder", "account holder", "holder",
    "contact", "family", "given", "real", "legal", "recipient", "beneficiary", "passenger", "client",
    "tenant", "user", "user's", "her", "his", "my",
)  # fmt: skip
ID_BEFORE: Final = ("tax", "national", "steuer", "insurance", "health", "identity")
INVITE_BEFORE: Final = (
    "verification", "confirmation", "invite", "invitation", "activation", "reset", "recovery", "backup",
    "referral", "unlock", "authorization", "login", "device",
)  # fmt: skip
OTHER_CODES: Final = (
    "error",
    "status",
    "exit",
    "country",
    "zip",
    "postal",
    "return",
    "response",
    "reason",
    "area",
    "product",
)
# After these a user may stand before the password.
BOTH: Final = ("cred", "zugangsdaten", "logindaten")
ONE_TIME: Final = ("one-time", "one time", "onetime", "sms", "otp", "single-use")
LINK_WORDS: Final = words(
    "has been is was are lautet ist es est é value set changed from to of number no using provided sent "
    "for id string now key keys cookie hash falsch incorrect incorrecta incorrecto invalid inválida inválido "
    "incorreta errada wrong rejected mismatch"
)
