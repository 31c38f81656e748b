"""Decide by its name whether a key holds something sensitive.

A name is cut into lower-case words first (camelCase, snake_case, kebab-case, dotted, percent-encoded,
full-width), and words are compared whole: ``passenger``, ``author`` and ``tokenizer`` never match.
Pure and without state except a bounded cache of names; values never come here.
"""

import re
import unicodedata
from collections.abc import Iterable
from enum import IntEnum
from itertools import pairwise
from typing import Final
from urllib.parse import unquote

from .words import words

MAX_KEY_CHARS: Final = 128
MAX_CACHED_KEYS: Final = 8192


class KeyClass(IntEnum):
    """What a key says about its value."""

    NONE = 0
    SECRET = 1  # the value goes, whatever it is
    PERSONAL = 2  # a scalar goes, a container is looked into
    WEAK = 3  # the value goes if it looks opaque
    CODE = 4  # the value goes if it is a short code
    PLACE = 5  # the value goes if it looks like an address of a person
    RANDOM = 6  # the value goes if it is a long random run


_SECRET_WORDS: Final = words("""
    password passwd passwrd passw pwd pswd psw pword userpwd passphrase passcode passkey passwort kennwort
    wachtwoord contraseña contrasena contrasenya senha motdepasse mdp parola parole haslo hasło heslo
    salasana lösenord losenord passord adgangskode kodeord jelszo jelszó şifre sifre sandi пароль секрет
    密码 密碼 口令 パスワード 暗号 비밀번호 암호 geheimnis geheim clave secreto segredo secret secrets token jwt bearer
    cookie cookies authorization authorisation csrf xsrf csrftoken xsrftoken csrfmiddlewaretoken apikey
    apikeys apisecret apitoken authtoken authkey accesstoken refreshtoken idtoken accesskey secretkey
    secretkeys privatekey privkey sessionid sessid sessionkey sessiontoken phpsessid jsessionid
    aspsessionid connectsid cvv cvc cvv2 cvc2 csc mnemonic seedphrase clientsecret appsecret masterkey
    signingkey encryptionkey sharedkey storagekey accountkey servicekey deploykey sshkey hmackey
    webhooksecret hashedpassword passwordhash pwhash totp passkeys bearertoken usertoken logintoken
    resettoken sharedaccesskey accountpassword basicauth pw hasła hasłem пароля паролем parool lozinka
    лозинка geslo zaporka slaptažodis parole parolă κωδικός κωδικος סיסמה סיסמא
    kennung passwörter psk
""")
# Words that end with one of these are the thing itself: dbpassword, mytoken, xapikey.
_SECRET_ENDINGS: Final = (
    "password", "passwd", "passphrase", "passwort", "kennwort", "wachtwoord", "apikey", "secretkey",
    "privatekey", "accesskey", "authtoken", "accesstoken", "csrftoken", "xsrftoken", "sessionid",
    "sessionkey", "clientsecret", "idtoken", "refreshtoken", "apitoken", "pwd", "encryptionkey",
    "signingkey", "secret", "storepass", "keypass", "userpass", "dbpass",
)  # fmt: skip
# Whose password it is: `db_pass`, `rootpw`, `smtpPass`.
_PASS_OWNERS: Final = words("""
    db database smtp redis user login root admin mail ftp proxy mysql pg email my old new ssh sudo become
    ldap bind imap pop mqtt amqp rabbit mongo sql app auth wifi host client service bot key store cert sftp
    keystore truststore master current confirm repeat default temp temporary test http
""")
_PERSONAL_WORDS: Final = words("""
    email emails mail mails emailaddress mailaddress useremail correo phone phones telephone telefon
    telefono teléfono telefoon téléphone mobile mobilephone mobileno phonenumber phoneno cellphone msisdn
    telno tel handynummer whatsapp geboren ssn itin tin nino iban dob birthdate birthday dateofbirth geburtsdatum
    geburtstag naissance fechanacimiento nascimento geboortedatum passport passportno reisepass pasaporte
    firstname lastname middlename fullname surname givenname familyname forename forenames nachname
    vorname apellido apellidos prenom prénom nomdefamille sobrenome achternaam voornaam cognome maidenname
    cardholder accountholder creditcard cardnumber ccnumber ccnum cardno kreditkarte creditcardnumber
    debitcard socialsecurity socialsecuritynumber nationalid nationalinsurance taxid taxnumber
    personnummer cpf cnpj curp dni nif bsn pesel aadhaar aadhar cuit cuil nir insee tfn nric hkid hetu
    codicefiscale steuernummer steuerid nhsnumber driverlicense driverslicense driverlicence licenseplate
    kontonummer kreditkartennummer kartennummer rufnummer mobilnummer ausweisnummer
    sozialversicherungsnummer versicherungsnummer
    accountnumber accountno acctno routingnumber sortcode bankaccount homeaddress
    imię imie imiona nazwisko nazwiska fornavn etternavn efternavn förnamn fornamn efternamn etunimi sukunimi
    jméno jmeno příjmení prijmeni keresztnév vezetéknév telefonnummer telefonnr handy mobiltelefon
    telefonszám телефона имя отчество фамилии pesel 住所 地址 生年月日 電話 お名前 名前
    streetaddress shippingaddress billingaddress postaladdress mailingaddress straße strasse clientip
    remoteip remoteaddr userip realip ipaddress ipaddr peerip ipaddresses xforwardedfor 邮箱 电话 手机 手机号 身份证
    身份证号 姓名 電話番号 メール 氏名 이메일 전화번호 почта телефон фамилия geolocation adresse
""")
_SECRET_PAIRS: Final = words("""
    api:key api:keys api:token api:secret api:pass private:key private:keys access:key access:keys
    access:token secret:key signing:key encryption:key encrypt:key decryption:key master:key account:key
    shared:key service:key storage:key deploy:key ssh:key session:key auth:key hmac:key webhook:key
    webhook:secret app:key application:key rest:key license:key licence:key subscription:key consumer:key
    admin:key server:key fernet:key jwt:key stripe:key openai:key anthropic:key sendgrid:key twilio:key
    aws:key gcp:key azure:key github:key google:key maps:key cipher:key aes:key rsa:key pem:key host:key
    tls:key ssl:key client:key root:key sign:key signature:key write:key bot:key user:key function:key
    functions:key primary:secret shared:secret token:secret recovery:phrase seed:phrase backup:phrase
    security:answer secret:answer security:code recovery:code recovery:codes backup:code backup:codes
    verification:code auth:code authorization:code mfa:code sms:code confirmation:code login:code
    reset:code otp:code two:factor magic:link reset:link mot:passe db:pass database:pass smtp:pass
    redis:pass user:pass login:pass root:pass admin:pass mail:pass ftp:pass proxy:pass mysql:pass pg:pass
    email:pass my:pass old:pass new:pass connect:sid session:id sess:id session:hash session:data
    session:cookie sas:token refresh:token id:token push:token device:token invite:token invite:code
    invitation:code shared:access auth:cookie auth:data auth:header card:cvv card:cvc card:pin pin:code
    pin:block atm:pin x:signature hub:signature stripe:signature slack:signature shopify:hmac
    twilio:signature webhook:signature svix:signature amz:signature amz:credential goog:signature
    goog:credential key:secret key:private key:access key:api token:access activation:key principal:key
    code:verifier device:code oob:code fastly:key stripe:sk stripe:rk telegram:bot github:pat gitlab:pat
    azure:pat personal:pat mật:khẩu mat:khau كلمة:المرور كلمة:السر رمز:المرور رمز:عبور kata:sandi
    lykil:orð snmp:community oauth:refresh oauth2:refresh oauth:verifier magic:token csrf:key cookie:key
    activation:code unlock:code pairing:code claim:code registration:code authentication:code
    answer:hash otp:hash code:hash pin:hash client:principal role:key anon:key project:key integration:key
    ingest:key instrumentation:key merchant:key captcha:key recaptcha:key hcaptcha:key turnstile:key
    algolia:key pusher:key mailgun:key postmark:key mailchimp:key datadog:key slack:key discord:key
    telegram:key paypal:key plaid:key square:key adyen:key braintree:key firebase:key vapid:key cloudflare:key
    heroku:key railway:key supabase:key gemini:key mistral:key cohere:key groq:key huggingface:key
    replicate:key pinecone:key recovery:key backup:key restore:key rescue:key emergency:key bitlocker:key unlock:key
    apns:key fcm:key push:key weather:key mapbox:key deepl:key wifi:key wpa:key preshared:key sas:key
""") | {f"{owner}:{word}" for owner in _PASS_OWNERS for word in ("pass", "pw")}
_PERSONAL_PAIRS: Final = words("""
    card:number card:no card:num card:pan account:number account:no account:num acct:number acct:no
    routing:number routing:no sort:code bank:account birth:date birth:day birth:place date:birth
    first:name last:name middle:name full:name given:name family:name maiden:name legal:name sur:name
    holder:name cardholder:name customer:name patient:name beneficiary:name recipient:name contact:name
    billing:name shipping:name payer:name payee:name guest:name traveler:name traveller:name
    passenger:name employee:name applicant:name person:name real:name account:holder card:holder
    account:owner street:name zip:code postal:code post:code
    home:address street:address shipping:address billing:address postal:address
    mailing:address delivery:address residential:address customer:address user:address address:line
    address:line1 address:line2 address:street social:security national:id national:insurance
    identity:number insurance:number tax:id tax:number id:number personal:number passport:number
    passport:no drivers:license driver:license driving:licence driving:license drivers:licence
    licence:number license:number license:plate medicare:number nhs:number health:number social:insurance
    credit:card debit:card client:ip remote:ip remote:addr remote:address user:ip real:ip peer:ip
    visitor:ip source:ip src:ip forwarded:for client:addr client:address ip:address ip:addr connecting:ip
    customer:ip login:ip last:ip phone:number mobile:number mobile:no phone:no tel:no cell:phone
    cell:number fax:number contact:number whatsapp:number email:address mail:address e:mail mail:from
    rcpt:to mail:to tax:identification medical:record patient:id member:id principal:name health:card
    resident:registration id:card carte:identite codice:fiscale
    steuer:id steuer:nummer nombre:completo nombre:usuario primer:apellido segundo:apellido nome:completo
    nome:cognome ad:soyad nom:prenom nom:complet imie:nazwisko фамилия:имя data:nascimento
    fecha:nacimiento date:naissance geburts:datum data:urodzenia numer:telefonu numero:telefono
    numéro:téléphone numero:telephone
""")
# Words of other languages for the parts of such pairs, as they are written with and without accents.
SYNONYMS: Final = {
    **dict.fromkeys(
        words(
            "schlüssel schluessel llave chave chiave klucz sleutel nyckel nøgle nøkkel nokkel avain clé cle "
            "klíč klic kľúč kulcs cheie anahtar ključ kljuc ключ klucze κλειδί 鍵 密钥 金鑰 キー 키"
        ),
        "key",
    ),
    **dict.fromkeys(
        words("jeton jetons ficha токен 令牌 トークン 토큰 polettu žeton zeton"),
        "token",
    ),
    **dict.fromkeys(
        words(
            "secreta secrète secrete segreta segreto geheimer geheimes geheime geheimen tajny tajne "
            "hemlig hemmelig секретный 秘密"
        ),
        "secret",
    ),
    **dict.fromkeys(
        words("privada privado privata privato privée privee privater privates prywatny приватный"),
        "private",
    ),
    **dict.fromkeys(
        words("acceso acesso accesso accès acces zugriffs zugriff zugangs toegang dostępu"),
        "access",
    ),
}
# Enough to redact something that looks opaque, not a word.
WEAK_WORDS: Final = words("""
    auth session sessions sess sid credential credentials creds cred tokens signature sig pass nonce passwords
    sso saml samlresponse assertion identity dek kek seed salt hmac keystring authenticator
    pepper authentication pan zugangsdaten logindaten identifiants forwarded webhook dsn sas login_hint otpauth
    encrypted ciphertext
""")
_CODE_WORDS: Final = words("pin otp otps mpin tpin totp 2fa mfa cvn")
_PLACE_WORDS: Final = words("address addr street zipcode postcode postal zip addressline")
# Last word: the value is about the thing, it is not the thing.
_BENIGN_LAST: Final = words("""
    count counts type types ttl length len expires expired expiry expiration expire exp enabled disabled
    required valid validity invalid verified verification policy attempts attempt timeout template method
    methods provider providers status state max min limit size version versions url uri endpoint path file
    filename dir name names format algorithm alg algo missing exists present strength rules rule regex
    pattern field fields label placeholder prefix scheme backend class cls model manager service store
    storage factory handler middleware module func function scope scopes flow realm issuer audience domain
    host hostname port time at on ago created updated changed sent used usage total sum avg rate ratio
    budget per cost price delay interval age days hours minutes seconds ms retries retry error errors
    message msg reason description hint title text help note info config settings options option params
    mode level kind category group index position offset row rows column columns table tables schema
    family loader parser encoding encoder decoder lookup queued campaign optin verifier check checks
    checked checker validator validation lock locked failure failures failed success view views page form
    dialog screen button link route router plugin driver pool rotation rotated revoked revoke refresh
    refreshed reset resets required requirement requirements score model device id_count ids number_format
    last4 last_four brand network country preference preferences notification notifications opt consent
    confirmed bounce bounces open opens click clicks digest_frequency engine adapter source sources origin
    lifetime leeway window cap grace
    supported allowed denied granted bucket queue topic stream language lang ver protocol bits hashing
    hasher iterations rounds arn ref reference strategy generation generator visibility hashers validators
    header headers finished in scanning
""") - words("number_format id_count policy_id last_four digest_frequency")
# First word: a question or a measure about the thing.
_BENIGN_FIRST: Final = words("""
    is has have had can should needs need allow allows require requires required max min num number total
    prompt completion input output cached reasoning n no use uses used show hide enable enabled disable
    disabled skip ignore verify check validate count supports must will was were get set make create
    delete revoke send invalid missing expired bad unknown unsupported
""") - words("set input no need")
_BENIGN_VERBS: Final = words(
    "verify check validate must get set make create delete revoke send bad invalid expired unknown"
)
_INNOCENT_NAMES: Final = words("""
    public:key primary:key foreign:key sort:key cache:key partition:key routing:key object:key
    idempotency:key composite:key natural:key unique:key key:id mail:server mail:host mobile:app
    phone:model session:factory session:maker async:session db:session sql:session authorization:status
    mobile:device ch:ua token:bucket pad:token eos:token bos:token unk:token sep:token cls:token mask:token
    stop:token stop:tokens first:token next:token last:token special:token special:tokens max:tokens
    min:tokens token:ids session:local mobile:os mobile:web email:template web:token_type cookie:jar
    page:token continuation:token sync:token pagination:token sub:token
    status:code error:code exit:code return:code result:code country:code language:code currency:code
""")
# The same without a joint: `dbpass`, `licensekey`, `customername`.
_GLUED_SECRETS: Final = frozenset(pair.replace(":", "") for pair in _SECRET_PAIRS)
_GLUED_PERSONAL: Final = frozenset(pair.replace(":", "") for pair in _PERSONAL_PAIRS) - {
    "mailto",
    "emailfrom",
}
# A name of several words that ends with one of these may hold a credential, or just an id.
_RANDOM_LAST: Final = words("key keys pat code ticket verifier challenge magic grant blob")
# What a "token" is to a parser: the last word of a glued name that is none of ours.
_PARSER_TOKENS: Final = tuple(
    f"{first}token"
    for first in words(
        "get next sub pre un first last eos bos pad unk sep cls mask page cur peek push eat start end "
        "bad is has no re max min per of"
    )
)
# Words that end a telling pair: "key", "number", "name"; where the pair starts with such a word, that one tells.
PAIR_ENDS: Final = SYNONYMS.keys() | {
    pair.rpartition(":")[2]
    for pair in _SECRET_PAIRS | _PERSONAL_PAIRS
    if not pair.startswith(("key:", "token:"))
}
_GLUE: Final = words("the of de du la le del di der die das do da a an for in to x my our your user")

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD: Final = re.compile(r"[^\W_]+")
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_DIGIT_TAIL: Final = re.compile(r"\d+$")
_MARKER: Final = re.compile(r"\[Filtered(?::\w+)?\]")
_WRAPPED: Final = re.compile(r"^[bBuUrR]{0,2}[\"'](.*)[\"']$", re.DOTALL)


def words_of(name: str) -> list[str]:
    """Cut a name into lower-case words, whatever its spelling."""
    name = name[:MAX_KEY_CHARS]
    if not name.isascii():
        name = unicodedata.normalize("NFKC", _INVISIBLE.sub("", name))
    if "%" in name:
        name = unquote(unquote(name))
    wrapped = _WRAPPED.match(name)
    if wrapped:
        name = wrapped.group(1)
    if not (name.islower() or name.isupper()):
        name = _CAMEL.sub(" ", name)
    return _WORD.findall(name.lower())


class KeyClassifier:
    """Classify keys, with the user's own words on top.

    Args:
        extra: words or phrases that are sensitive here (``"badge number"`` also matches ``badgeNumber``).
        allow: words or phrases that are harmless here; they win over everything else.

    Thread-safe: the cache is a plain dict of names that is added to, and emptied when it is full.
    """

    def __init__(self, extra: Iterable[str] = (), allow: Iterable[str] = ()) -> None:
        self._extra = [tuple(words_of(phrase)) for phrase in extra]
        self._allow = {"".join(words_of(phrase)) for phrase in allow}
        self._cache: dict[str, KeyClass] = {}
        self.custom_words = frozenset(word for phrase in self._extra for word in phrase)

    def classify(self, name: str) -> KeyClass:
        """Say what the name promises about its value."""
        known = self._cache.get(name)
        if known is None:
            known = self._decide(words_of(_MARKER.sub("", name)))
            if len(name) <= MAX_KEY_CHARS:
                if len(self._cache) >= MAX_CACHED_KEYS:
                    self._cache.clear()
                self._cache[name] = known
        return known

    @property
    def cached(self) -> int:
        """How many names are remembered."""
        return len(self._cache)

    def _decide(self, words: list[str]) -> KeyClass:
        if not words or len(words) > 14:
            return KeyClass.NONE
        joined = "".join(words)
        if joined in self._allow:
            return KeyClass.NONE
        for phrase in self._extra:
            if _contains(words, phrase) or joined == "".join(phrase):
                return KeyClass.SECRET
        if not SYNONYMS.keys().isdisjoint(words):
            words = [SYNONYMS.get(word, word) for word in words]
        found = _strongest(words, joined)
        if not found or len(words) < 2:
            return found
        if found is KeyClass.RANDOM:
            return KeyClass.NONE if _is_innocent(words) else found
        if _is_vetoed(words):
            # `verify_token` may be a question or the token itself.
            return KeyClass.RANDOM if words[0] in _BENIGN_VERBS and _kind_of(words[-1]) else KeyClass.NONE
        return found


def _contains(words: list[str], phrase: tuple[str, ...]) -> bool:
    size = len(phrase)
    return any(tuple(words[i : i + size]) == phrase for i in range(len(words) - size + 1))


def _is_vetoed(words: list[str]) -> bool:
    if words[0] in _BENIGN_FIRST:
        return True
    for i in range(len(words) - 1, 0, -1):
        word = words[i]
        if _is_thing(words[i - 1], word) or _kind_of(word):
            break
        if word in _BENIGN_LAST:
            return True
    return _is_innocent(words)


def _is_innocent(words: list[str]) -> bool:
    return any(f"{a}:{b}" in _INNOCENT_NAMES for a, b in pairwise(words))


def _is_thing(before: str, last: str) -> bool:
    pair = f"{before}:{last}"
    joined = before + last
    return (
        pair in _SECRET_PAIRS
        or pair in _PERSONAL_PAIRS
        or joined in _SECRET_WORDS
        or joined in _PERSONAL_WORDS
    )


def _strongest(words: list[str], joined: str) -> KeyClass:
    plain = [word for word in words if word not in _GLUE] or words
    weak = KeyClass.NONE
    if joined in _SECRET_WORDS:
        return KeyClass.SECRET
    if joined in _PERSONAL_WORDS:
        return KeyClass.PERSONAL
    for sequence in (words, plain) if len(plain) != len(words) else (words,):
        for a, b in pairwise(sequence):
            pair = f"{a}:{b}"
            if pair in _SECRET_PAIRS or a + b in _SECRET_WORDS:
                return KeyClass.SECRET
            if pair in _PERSONAL_PAIRS or a + b in _PERSONAL_WORDS:
                weak = KeyClass.PERSONAL
    for word in words:
        kind = _kind_of(word)
        if kind is KeyClass.SECRET:
            return kind
        if kind is KeyClass.PERSONAL:
            weak = kind
        weak = weak or kind
    if not weak and words[-1] in _RANDOM_LAST and (len(words) > 1 or joined == "pat"):
        return KeyClass.RANDOM
    return weak


def _kind_of(word: str) -> KeyClass:
    bare = word if word in _SECRET_WORDS else _DIGIT_TAIL.sub("", word)
    if (
        bare in _SECRET_WORDS
        or bare in _GLUED_SECRETS
        or (len(bare) > 5 and bare.endswith(_SECRET_ENDINGS))
        or (len(bare) > 6 and bare.endswith("token") and not bare.endswith(_PARSER_TOKENS))
    ):
        return KeyClass.SECRET
    if bare in _PERSONAL_WORDS or bare in _GLUED_PERSONAL:
        return KeyClass.PERSONAL
    if bare in _CODE_WORDS or word in _CODE_WORDS:
        return KeyClass.CODE
    if bare in WEAK_WORDS:
        return KeyClass.WEAK
    return KeyClass.PLACE if bare in _PLACE_WORDS else KeyClass.NONE
