"""What each rule removes and what it leaves alone. A rule without both is a defect: test_scrubbing_rules.py looks.

Everything that looks like a credential is put together here from parts.
"""

from typing import Final, NamedTuple


class Examples(NamedTuple):
    """Texts with the piece that must go, and texts that must stay as they are."""

    removed: tuple[tuple[str, str], ...]
    kept: tuple[str, ...]


SECRET: Final = "Zr7" + "!qmLw" + "92"
OPAQUE: Final = "f5HYsKV" + "Fx0z1fgK" + "u2Lm9QwX"
HEX: Final = "9f86d081" * 5
MIXED: Final = "q7Rz" + "mT4vLx2K"
LONG: Final = "q7RzmT4vLx2K" + "w9PdYc3NhBs8"
SCRAMBLED: Final = "rlciJ" + "LuPhDtm"
VAULT: Final = "db_pass" + "word"
SEED_WORDS: Final = "velvet river stone lantern purple autumn " + "marble cactus silver horse tiger maple"
CARD: Final = "4111 1111" + " 1111 1111"
KEY_LINE: Final = "aB3dE5fG7hJ9" * 5 + "aB3d"
PEM_NAME: Final = "PRIVATE" + " KEY"

RULES: Final[dict[str, Examples]] = {
    "address": Examples(
        (
            ("deliver to 48 Harbour View Road today", "48 Harbour View Road"),
            ("Paket an Lindenallee 14 verloren", "Lindenallee 14"),
            ("livrer 12 rue de la Paix", "12 rue de la Paix"),
        ),
        ("3 Worker threads on the road", "section 12 of Main", "retry 5 took 10 ms"),
    ),
    "auth": Examples(
        (
            (f"sent Bearer {OPAQUE} upstream", OPAQUE),
            ("proxy said no to Basic " + "YW5uYTpx" + "d2Vy" + "dHk=", "YW5uYTpx" + "d2Vy"),
        ),
        ("Basic plan ends", "Bearer authentication required", "<Token revoked=False>"),
    ),
    "birth_date": Examples(
        (("patient born on 1971-04-12", "1971-04-12"), ("geboren am 12.04.1971", "12.04.1971")),
        ("born to run", "created on 1971-04-12"),
    ),
    "card": Examples(
        ((f"declined: {CARD}", CARD), ("pan " + "3782822463" + "10005", "3782822463" + "10005")),
        ("order 4111111111111112 lost", "ts 1764326821873 skew", "card ending in 4242"),
    ),
    "cli": Examples(
        (
            (f"curl -u anna:{SECRET} http://x", SECRET),
            (f"mysql -uroot -p{OPAQUE} shop", OPAQUE),
            (f"mysql -u root -p'{MIXED}'", MIXED),
            (f"AUTH default {OPAQUE}", OPAQUE),
            ("AUTH default " + SCRAMBLED, SCRAMBLED),
            (f"echo {SECRET} | sudo -S true", SECRET),
            (f"echo anna:{SECRET} | chpasswd", SECRET),
            (f"rabbitmqctl add_user anna {MIXED}", MIXED),
            (f"openssl enc -aes-256-cbc -k {MIXED} -in f", MIXED),
            (f"+OK\r\nPASS {MIXED}\r\nSTAT", MIXED),
            (f'["login", "anna", "{MIXED}"]', MIXED),
            (f"smtp.login('anna', '{MIXED}')", MIXED),
            (f'{{"method":"login","params":["anna","{MIXED}"]}}', MIXED),
        ),
        (
            "docker run -p 5432:5432 pg",
            "AUTH failed",
            "auth method: oauth2",
            "smtp.login('anna', timeout)",
            "git commit -a -m x",
            "echo started | tee log",
            "openssl x509 -req -signkey site-key.pem -in c",
            "PASS test_login_2",
            '["login", "anna", "started"]',
        ),
    ),
    "echo": Examples(
        (
            (f'invalid integer value "{SECRET}" for connection option "port"', SECRET),
            (f"invalid literal for int() with base 10: '{SECRET}@db'", SECRET),
            ("Port could not be cast to integer value as '" + MIXED.upper() + "'", MIXED.upper()),
            (f"'%' must be followed by '%' or '(', found: '%{MIXED}'", MIXED),
        ),
        (
            'invalid integer value "abc" for connection option "port"',
            "Incorrect integer value: 'abc12345' for column 'qty' at row 1",
            "invalid literal for int() with base 10: 'twelve'",
            'could not translate host name "db-0.internal" to address',
        ),
    ),
    "email": Examples(
        (
            ("bounce for jane.doe@corp.example (550)", "jane.doe@corp.example"),
            ("q=jane.doe%2540corp.example", "jane.doe%2540corp.example"),
            ('{"to": "jane\\u0040corp.example"}', "jane\\u0040corp.example"),
            ("to jane.doe [at] corp [dot] example", "jane.doe [at] corp [dot] example"),
            ("to jane\uff20corp.example", "jane\uff20corp.example"),
        ),
        ("@app.get('/users')", "celery@worker-3", "icon@2x.png", "lib@1.4.2", "root@web-3:~#", "x[at] y"),
    ),
    "encoded": Examples(
        (
            ("payload=" + "eyJwYXNzd29yZCI6" + "ICJ4ZGxkdGN3In0=", "eyJwYXNzd29yZCI6"),
            ("raw " + b"password=hunter22x".hex(), b"password=hunter22x".hex()),
        ),
        (f"digest {HEX}", "blob aGVsbG8gd29ybGQgYWdhaW4=", "cursor=MTIzNDU2Nzg5MDEyMzQ1Ng=="),
    ),
    "iban": Examples(
        (("to DE89 3704 0044 0532 0130 00 failed", "DE89 3704 0044 0532 0130 00"),),
        ("to DE89 3704 0044 0532 0130 01 failed", "DE is not a supported country"),
    ),
    "ip": Examples(
        (
            ("peer=81.93.40.77", "81.93.40.77"),
            ("2a02:8109:9d40:1a2b::9f1:7e2 gone", "2a02:8109:9d40:1a2b::9f1:7e2"),
        ),
        ("bound to 10.1.2.3", "Chrome/126.0.6478.127", "version 4.18.0.553", "at 12:30:45", "fe80::1"),
    ),
    "key": Examples(
        (
            (f'{{"password": "{SECRET}"}}', SECRET),
            (f'{{"m": "{{\\"apiKey\\": \\"{SECRET}\\"}}"}}', SECRET),
            (f"User(id=7, api_token='{SECRET}')", SECRET),
            (f"a=1&client_secret={OPAQUE}&b=2", OPAQUE),
            (f"host=db password={SECRET} dbname=x", SECRET),
            (f"[('host', 'x'), (b'authorization', b'{OPAQUE}')]", OPAQUE),
            (f"<password>{SECRET}</password>", SECRET),
            (f'<input name="csrf_token" value="{OPAQUE}">', OPAQUE),
            (f'name="api_key"\r\n\r\n{OPAQUE}\r\n--', OPAQUE),
            (f"- name: DB_PASSWORD\n  value: {SECRET}", SECRET),
            (f"fields: ['user', 'password'] values: ['bob', '{SECRET}']", SECRET),
            (f"app --api-key {OPAQUE} --port 80", OPAQUE),
            (f"b'\\xa8password\\xad{OPAQUE}'", OPAQUE),
            (f"{VAULT}: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  {HEX}\nhost: db", HEX),
            (f"{VAULT}: !!str {OPAQUE}\n", OPAQUE),
            (f"{VAULT} = <<-EOT\n  {OPAQUE}\nEOT", OPAQUE),
            (f'variable "{VAULT}" {{\n  default = "{MIXED}"\n}}', MIXED),
            (f"DRIVER={{ODBC}};UID=sa;PWD={{{MIXED}}};", MIXED),
            (f"Stripe-Signature: t=17,v1={HEX}", HEX),
            ("GET /verify?otp=" + "abcdef", "abcdef"),
            ("GET /verify?user=7&code=" + "482913", "482913"),
            (f"GET /cb?code={OPAQUE}&state=x", OPAQUE),
            (f"ParseResult(path='/cb', query='code={OPAQUE}&page=1')", OPAQUE),
            (f"device_code={LONG}", LONG),
            (f"openssl rsa -in k -passin pass:{MIXED}", MIXED),
            ("password: velvet " + "river stone", "velvet " + "river stone"),
            (f"Incorrect string value: '{MIXED}' for column 'app'.'users'.'password' at row 1", MIXED),
            (f'[{{"op": "replace", "path": "/{VAULT}", "value": "{MIXED}"}}]', MIXED),
            (f"SecretAccessKey '{OPAQUE}' is unknown", OPAQUE),
            (f"api_key: value '{MIXED}' is bad", MIXED),
            (f'name="api_key"\\r\\n\\r\\n{OPAQUE}\\r\\n--b\\r\\nname="f"; filename="x"', OPAQUE),
            (f"header x-api-key was {OPAQUE}", OPAQUE),
            (f"| {VAULT} | {MIXED} |", MIXED),
            (f"{VAULT}\t{MIXED}\n", MIXED),
            (f'<property name="app.{VAULT}">{MIXED}</property>', MIXED),
            (f"<key>apiKey</key>\n<string>{MIXED}</string>", MIXED),
            (f"pass\u200bword={MIXED}", MIXED),
            (f"    connect(user, password)\n    │       │     └ '{SECRET}'", SECRET),
            (
                f"1 validation error for Login\npassword\n  Too short [type=x, input_value='{SECRET}', y]",
                SECRET,
            ),
        ),
        (
            "api keys: 3",
            "GET /x?v=1.2.3&hash=3f2a9c1b",
            "password: !vault",
            "lambda token: token.id",
            "unexpected token: identifier",
            "could not refresh access token: 401",
            "auth=oauth2 signature: sha256",
            "session: AsyncClientSession | None",
            "GET /x?code=200&country_code=DE&error_code=E123",
            "GET /x?voucher=1&code=SAVE10&mfa=optional",
            "GET /x?page_token=2",
            "s3_key=uploads/2026/report.csv",
            "Device\tToken\ncount\t2",
            "| password | required |",
            "password: field required",
            "token expired",
            "max_tokens=256",
            "KeyError: 'password'",
            "password=********",
            "author=12&keyword=shoes",
            "token: str = Depends(scheme)",
            "{'type': 'missing', 'loc': ('body', 'password'), 'msg': 'Field required'}",
        ),
    ),
    "name": Examples(
        (
            ("customer name is Katarzyna Kowalczyk", "Katarzyna Kowalczyk"),
            ("Dear Katarzyna Kowalczyk,", "Katarzyna Kowalczyk"),
            ("patient Katarzyna Kowalczyk not found", "Katarzyna Kowalczyk"),
        ),
        ("table name is Orders_2", "the name is not set", "Dear Customer Support,", "Patient Record missing"),
    ),
    "national_id": Examples(
        (
            ("passport C01X00T47 expired", "C01X00T47"),
            ("CPF 529.982.247-25", "529.982.247-25"),
            ("codice RSSMRA85T10A562S", "RSSMRA85T10A562S"),
        ),
        ("passport control", "lot 529.982.247-26", "sku ABCDEF12G34H567"),
    ),
    "parameters": Examples(
        (("[SQL: ...]\n[parameters: ('u0', '" + SECRET + "')]", SECRET),),
        ("[SQL: SELECT 1]\n[parameters: (8841, 12)]",),
    ),
    "path_token": Examples(
        (
            (f"/reset-password/{OPAQUE}", OPAQUE),
            ("/invites/" + SCRAMBLED * 2 + "/accept", SCRAMBLED * 2),
            ("/private-" + HEX[:32] + "/basic.ics", HEX[:32]),
        ),
        (
            "/reset-password/{token}",
            "/invites/pendingInvitationsList",
            "/share/how-to-reset-passwords",
            "/js/main.8f3d2a1c.chunk.js",
        ),
    ),
    "phone": Examples(
        (("call +49 171 5550123 back", "+49 171 5550123"), ("tel. 0171 5550123", "0171 5550123")),
        ("range 10-20-3000", "id 1715550123", "call 3 times"),
    ),
    "private_key": Examples(
        (
            (f"-----BEGIN {PEM_NAME}-----\n{KEY_LINE}\n-----END {PEM_NAME}-----", KEY_LINE),
            (f"cut -----BEGIN RSA {PEM_NAME}-----\n{KEY_LINE}", KEY_LINE),
            (f"log: {KEY_LINE}\nlog: -----END {PEM_NAME}-----", KEY_LINE),
        ),
        ("-----BEGIN CERTIFICATE----- expected",),
    ),
    "prose": Examples(
        (
            (f"login failed with password {SECRET}", SECRET),
            ("Your OTP is 482913", "482913"),
            ("482913 is your verification code", "482913"),
            (f"api key {OPAQUE} revoked", OPAQUE),
            ("the password is " + SCRAMBLED, SCRAMBLED),
            ("my password is purple " + "lantern and it fails", "purple " + "lantern"),
            ("wrong passphrase 'velvet " + "river stone'", "velvet " + "river stone"),
            ("password was '" + "lanternfish'", "lanternfish"),
            ("mnemonic is " + SEED_WORDS, SEED_WORDS),
            (f"changed password from {SECRET} to {MIXED}", MIXED),
            (f"CSRF token mismatch: got {LONG}, expected {OPAQUE}", LONG),
            ("one-time password 4829" + "13 rejected", "4829" + "13"),
            ("code 4829" + "13 sent to user 12 by SMS", "4829" + "13"),
            ("backup codes: 7790a-8cef0, " + "8d26b-83aea", "8d26b-83aea"),
            ("invite code q7RzmT" + "4vLx2K already used", "q7RzmT" + "4vLx2K"),
            (f"login anna/{MIXED} failed", MIXED),
            (f"admin:{MIXED} does not work", MIXED),
            (f"contraseña incorrecta: {MIXED}", MIXED),
            (f"пароль {MIXED}", MIXED),
            ("password is correct " + "horse", "correct " + "horse"),
        ),
        (
            "password is case sensitive",
            "password rejected: too weak",
            "cvv: match",
            "password is correct",
            "admin: page 12 of 30",
            "your password is about to expire",
            "the password is stored hashed",
            "password is plain text",
            "password was 'not set'",
            "the new password is too weak",
            f"hash mismatch: got {LONG}, expected none",
            "error code 482913 returned",
            "login via sso/oauth2 failed",
            "password reset requested for user 17",
            "pin 4 of header J2 is floating",
            "code 404 returned",
            "session 7 closed by peer",
        ),
    ),
    "row": Examples(
        (
            ("DETAIL:  Key (email)=(jane doe) already exists.", "jane doe"),
            (f"DETAIL:  Failing row contains (7, null, {SECRET}).", SECRET),
        ),
        ("DETAIL:  Key (order_id)=(8841) already exists.",),
    ),
    "sql": Examples(
        (
            ("SELECT * FROM users WHERE nick = 'Marchetti'", "Marchetti"),
            ("SELECT $$" + SECRET + "$$", SECRET),
            (f"rejected: identified by '{MIXED}'", MIXED),
        ),
        ("SELECT id FROM users WHERE status = 'active' AND id = $1", "SELECT 1"),
    ),
    "ssn": Examples((("applicant 194-93-3947 failed", "194-93-3947"),), ("lot 000-12-3456", "10-20-3000")),
    "token": Examples(
        (
            ("using " + "gh" + "p_" + "a1B2c3D4" * 5, "a1B2c3D4" * 5),
            ("decode b'\\xff" + "gh" + "p_" + "a1B2c3D4" * 5 + "'", "a1B2c3D4" * 5),
        ),
        ("gho_st in the shell", "sk_live_ is a prefix", "{SHA} of the file"),
    ),
    "url_password": Examples(
        (
            (f"postgresql://app:{SECRET}@db/app", SECRET),
            ("redis://:" + OPAQUE + "@cache", OPAQUE),
            ("cut amqp://app:" + OPAQUE, OPAQUE),
            (f"oracle+cx_oracle://app:{MIXED}@db", MIXED),
            (f"login: bob:{MIXED}@db", MIXED),
            (f"tcp(app:{MIXED}@tcp(db:3306)/app)", MIXED),
            (f"jdbc:oracle:thin:scott/{MIXED}@//db:1521/X", MIXED),
            (f"db:5432:app:anna:{MIXED}", MIXED),
        ),
        (
            "python:3.11-slim@sha256:" + "ab12" * 8,
            "org/app:1.2.3@node-2",
            "app.py:1200:main:warning:W0613",
            "actions/checkout@v4",
            "postgresql://db.internal:5432/app",
            "http://localhost:8080/@vite/client",
            "postgresql://app:***@db/app",
        ),
    ),
    "webhook": Examples(
        (("https://hooks.slack" + ".com/services/T0" + "/B0/" + OPAQUE, OPAQUE),),
        ("https://hooks.example.com/services",),
    ),
}
# Rules that need more than a string; the tests of the walk and of the limits hold them.
ELSEWHERE: Final = frozenset({"budget", "custom", "error", "number", "taint"})

ALNUM: Final = "a1B2c3D4e5F6g7H8" * 12
LOWER_HEX: Final = "0123456789abcdef" * 8
UPPER: Final = "A2B3C4D5E6F7G2H3" * 4
# One example for each shape of tokens.SHAPES, as (beginning, rest).
TOKENS: Final = (
    ("AK" + "IA", UPPER[:16]),
    ("gh" + "p_", ALNUM[:36]),
    ("github" + "_pat_", ALNUM[:40]),
    ("gl" + "pat-", ALNUM[:20]),
    ("sk_" + "live_", ALNUM[:24]),
    ("wh" + "sec_", ALNUM[:32]),
    ("xo" + "xb-", "123456789012-" + ALNUM[:24]),
    ("xa" + "pp-1-", ALNUM[:30]),
    ("AI" + "za", ALNUM[:35]),
    ("ya" + "29.", ALNUM[:60]),
    ("1/" + "/0", ALNUM[:40]),
    ("GOC" + "SPX-", ALNUM[:28]),
    ("sk-" + "proj-", ALNUM[:40]),
    ("sk" + "-", ALNUM[:40]),
    ("S" + "G.", ALNUM[:22] + "." + ALNUM[:43]),
    ("A" + "C", LOWER_HEX[:32]),
    ("np" + "m_", ALNUM[:36]),
    ("py" + "pi-AgE", ALNUM[:60]),
    ("dckr" + "_pat_", ALNUM[:27]),
    ("h" + "f_", ALNUM[:34]),
    ("api_" + "org_", ALNUM[:34]),
    ("shp" + "at_", LOWER_HEX[:32]),
    ("lin" + "_api_", ALNUM[:40]),
    ("nt" + "n_", ALNUM[:46]),
    ("do" + "p_v1_", LOWER_HEX[:64]),
    ("hv" + "s.", ALNUM[:90]),
    ("gl" + "sa_", ALNUM[:40]),
    ("gl" + "c_", ALNUM[:40]),
    ("sntr" + "ys_", ALNUM[:60]),
    ("pp" + "lx-", ALNUM[:48]),
    ("gs" + "k_", ALNUM[:52]),
    ("xa" + "i-", ALNUM[:80]),
    ("r" + "8_", ALNUM[:37]),
    ("sb" + "p_", LOWER_HEX[:40]),
    ("sb_" + "secret_", ALNUM[:30]),
    ("NR" + "AK-", UPPER[:27]),
    ("NR" + "JS-", LOWER_HEX[:19]),
    ("PM" + "AK-", LOWER_HEX[:24] + "-" + LOWER_HEX[:34]),
    ("sq" + "0atp-", ALNUM[:22]),
    ("EA" + "A", ALNUM[:90]),
    ("EA" + "AA", ALNUM[:60]),
    ("rzp" + "_live_", ALNUM[:14]),
    ("dp" + ".pt.", ALNUM[:43]),
    ("ts" + "key-auth-", ALNUM[:30]),
    ("pscale" + "_tkn_", ALNUM[:40]),
    ("fi" + "gd_", ALNUM[:40]),
    ("fo" + "1_", ALNUM[:40]),
    ("Fly" + "V1 ", ALNUM[:40]),
    ("FLW" + "SECK_TEST-", ALNUM[:32]),
    ("pat" + ALNUM[:14], "." + LOWER_HEX[:64]),
    ("key" + "-", LOWER_HEX[:32]),
    (LOWER_HEX[:32], "-us" + "12"),
    ("da" + "pi", LOWER_HEX[:32]),
    ("atlas" + "v1.", ALNUM[:60]),
    (ALNUM[:14], ".atlas" + "v1." + ALNUM[:60]),
    ("ATA" + "TT3", ALNUM[:60]),
    ("ATC" + "TT3", ALNUM[:60]),
    ("AT" + "BB", ALNUM[:32]),
    ("ph" + "c_", ALNUM[:43]),
    ("ph" + "x_", ALNUM[:43]),
    ("rn" + "d_", ALNUM[:28]),
    ("r" + "e_", ALNUM[:8] + "_" + ALNUM[:24]),
    ("CFP" + "AT-", ALNUM[:43]),
    ("CCI" + "PAT_", ALNUM[:22] + "_" + LOWER_HEX[:40]),
    ("LT" + "AI", ALNUM[:20]),
    ("AK" + "ID", ALNUM[:32]),
    ("AGE-SECRET" + "-KEY-1", UPPER[:58]),
    ("xkey" + "sib-", LOWER_HEX[:64] + "-" + ALNUM[:16]),
    ("EZ" + "AK", ALNUM[:54]),
    ("access_token" + "$production$", ALNUM[:30]),
    ("v1" + ".0-", LOWER_HEX[:24] + "-" + LOWER_HEX[:64]),
    ("ver" + "cel_", ALNUM[:24]),
    ("vc" + "p_", ALNUM[:24]),
    ("nf" + "p_", ALNUM[:40]),
    ("duffel" + "_test_", ALNUM[:43]),
    ("shippo" + "_live_", LOWER_HEX[:40]),
    ("oy" + "2", ("a1b2c3d4" * 6)[:43]),
    ("ruby" + "gems_", LOWER_HEX[:48]),
    ("MT" + ALNUM[:24], "." + ALNUM[:6] + "." + ALNUM[:38]),
    ("N" + ALNUM[:24], "." + ALNUM[:6] + "." + ALNUM[:27]),
    ("abc8" + "Q~", ALNUM[:34]),
    ("1234567890:" + "AA", ALNUM[:33]),
    ("ops" + "_eyJ", ALNUM[:60]),
    ("$2" + "b$12$", ALNUM[:53]),
    ("$argon2" + "id$v=19$", ALNUM[:43]),
    ("$6" + "$", ALNUM[:60]),
    ("{SS" + "HA}", ALNUM[:40]),
    ("pbkdf2" + "_sha256$", "260000$" + ALNUM[:40]),
    ("ey" + "J", ALNUM[:20] + "." + ALNUM[:30] + "." + ALNUM[:40]),
)
