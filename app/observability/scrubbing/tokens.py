"""Credentials that identify themselves by their shape: vendor tokens, JSON web tokens, private keys, hashes."""

import re
from typing import Final

from .spans import Span

# Prefix and tail of public token formats. A token starts where no word character stands before it.
SHAPES: Final = (
    r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}",
    r"gh[pousr]_[A-Za-z0-9]{16,}",
    r"github_pat_\w{20,}",
    r"gl(?:pat|ptt|rt|dt|cbt|oas|soat|agent|imt|ft|ffct)-[\w\-.]{16,}",
    r"(?:sk|rk|pk)_(?:live|test|prod)_\w{10,}",
    r"whsec_[A-Za-z0-9+/=]{16,}",
    r"xox[a-z]{1,2}-(?:[\w%]{1,}-?){2,}",
    r"xapp-\d-[\w\-]{16,}",
    r"AIza[\w\-]{30,}",
    r"ya29\.[\w\-.]{20,}",
    r"1//0[\w\-]{20,}",
    r"GOCSPX-[\w\-]{20,}",
    r"sk-(?:proj|svcacct|admin|ant|or|lf|live|test)-[\w\-]{12,}",
    r"sk-[A-Za-z0-9]{20,}",
    r"SG\.[\w\-]{16,}\.[\w\-]{16,}",
    r"(?:SK|AC)[0-9a-f]{32}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-AgE[\w\-]{16,}",
    r"dckr_(?:pat|oat)_[\w\-]{16,}",
    r"hf_[A-Za-z0-9]{24,}",
    r"api_org_[A-Za-z0-9]{24,}",
    r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{24,}",
    r"lin_(?:api|oauth)_[A-Za-z0-9]{24,}",
    r"(?:ntn|secret)_[A-Za-z0-9]{38,}",
    r"do[opr]_v1_[a-f0-9]{40,}",
    r"hv[sbr]\.[\w\-]{20,}",
    r"glsa_\w{20,}",
    r"glc_[A-Za-z0-9+/=]{24,}",
    r"sntry[su]_[\w+/=\-]{20,}",
    r"pplx-[A-Za-z0-9]{24,}",
    r"gsk_[A-Za-z0-9]{24,}",
    r"xai-[A-Za-z0-9]{24,}",
    r"r8_[A-Za-z0-9]{24,}",
    r"sbp_[a-f0-9]{32,}",
    r"sb_(?:secret|publishable)_[\w\-]{16,}",
    r"NRAK-[A-Z0-9]{20,}",
    r"NRJS-[a-f0-9]{15,}",
    r"PMAK-[a-f0-9]{20,}(?:-[a-f0-9]{16,})?",
    r"sq0[a-z]{3}-[\w\-]{20,}",
    r"EAA[A-Za-z0-9]{60,}",
    r"EAAA[A-Za-z0-9\-_]{40,}",
    r"rzp_(?:live|test)_[A-Za-z0-9]{10,}",
    r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.\-]{20,}",
    r"tskey-[a-z]+-[\w\-]{12,}",
    r"pscale_(?:tkn|pw|oauth)_[\w\-.]{20,}",
    r"figd_[\w\-]{20,}",
    r"fo1_[\w\-]{20,}",
    r"FlyV1 [\w+/=,\-]{20,}",
    r"FLWSECK[_\-](?:TEST|LIVE)?[\w\-]{12,}",
    r"patw?[A-Za-z0-9]{14}\.[a-f0-9]{40,}",
    r"key-[0-9a-f]{32}",
    r"[0-9a-f]{32}-us\d{1,2}",
    r"dapi[a-f0-9]{32}(?:-\d)?",
    r"atlasv1\.[\w\-]{20,}",
    r"[A-Za-z0-9]{14}\.atlasv1\.[\w\-]{20,}",
    r"ATATT3[\w\-=]{20,}",
    r"ATCTT3[\w\-=]{20,}",
    r"ATBB[A-Za-z0-9]{24,}",
    r"phc_[A-Za-z0-9]{24,}",
    r"phx_[A-Za-z0-9]{24,}",
    r"rnd_[A-Za-z0-9]{24,}",
    r"re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}",
    r"CFPAT-[\w\-]{30,}",
    r"CCIPAT_[A-Za-z0-9]{10,}_[a-f0-9]{24,}",
    r"LTAI[A-Za-z0-9]{14,}",
    r"AKID[A-Za-z0-9]{13,}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{30,}",
    r"xkeysib-[a-f0-9]{32,}(?:-\w+)?",
    r"EZ[AT]K[A-Za-z0-9]{40,}",
    r"access_token\$production\$[\w$]{16,}",
    r"v1\.0-[a-f0-9]{20,}-[a-f0-9]{32,}",
    r"vercel_[A-Za-z0-9]{20,}",
    r"vc[pkiar]_[A-Za-z0-9]{20,}",
    r"nfp_[A-Za-z0-9]{30,}",
    r"duffel_(?:test|live)_[\w\-=]{20,}",
    r"shippo_(?:live|test)_[a-f0-9]{30,}",
    r"oy2[a-z0-9]{43}",
    r"rubygems_[a-f0-9]{40,}",
    r"MTA?[\w\-]{20,28}\.[\w\-]{6}\.[\w\-]{27,}",
    r"[MNO][\w\-]{23,27}\.[\w\-]{6}\.[\w\-]{27,}",
    r"\w{3}\dQ~[\w~.\-]{20,}",
    r"(?:bot)?\d{8,10}:AA[\w\-]{28,}",
    r"ops_eyJ[\w\-+/=]{24,}",
    r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{20,}",
    r"\$argon2(?:id|i|d)\$[\w=,$+/.\-]{20,}",
    r"\$(?:1|5|6|y|apr1|pbkdf2(?:-sha\d+)?|scrypt|7)\$[\w=,$+/.\-]{20,}",
    r"(?:pbkdf2_sha\d+|pbkdf2:sha\d+|scrypt|bcrypt_sha256|argon2)[$:][\w=:,$+/.\-]{20,}",
    r"\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|PBKDF2[\w\-]{0,12}|ARGON2)\}[A-Za-z0-9+/=$.,]{20,}",
    r"eyJ[\w\-]{8,}(?:\.[\w\-]{4,}){1,4}\.?[\w\-]*",
)
_ANY_SHAPE: Final = "(?:" + "|".join(SHAPES) + ")"
VENDOR: Final = re.compile("(?<![A-Za-z0-9])" + _ANY_SHAPE)
# Right after an escape, as reprs of bytes have them.
ESCAPED: Final = re.compile(r"(?:(?<=\\x[0-9a-f]{2})|(?<=\\[nrt]))" + _ANY_SHAPE)
WEBHOOK: Final = re.compile(
    r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/\d+/"
    r"|outlook\.office\.com/webhook/|[\w\-]+\.webhook\.office\.com/webhookb2/"
    r"|hooks\.zapier\.com/hooks/catch/)([\w\-/@+]{8,})"
)
# A key may be cut off, carry a log prefix on every line, or stand with escaped line ends.
PEM: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----.{0,60000}?(?:-----END [A-Z0-9 "
    r"]{0,40}-----|\Z)",
    re.DOTALL,
)
PEM_END: Final = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
# The first bytes of private keys in PKCS#1, PKCS#8, SEC1 and OpenSSH form, and blocks of lines as keys have them.
DER: Final = re.compile(
    r"(?<![A-Za-z0-9+/])(?:MII(?:Ev|Eo|Ep|CX|CW|Cd|JK|JQ|G[45]|Bg|Bo|J0)|MHcCAQ|MHQCAQ|MIG[HT]AgE|MC4CAQ"
    r"|b3BlbnNzaC1rZXk)[A-Za-z0-9+/]{20,}(?:(?:\s|\\[rn]){1,4}[A-Za-z0-9+/]{8,}){0,200}={0,2}"
)
BLOCK: Final = re.compile(
    r"(?:(?:^|(?<=\n))[^\n]{0,60}?(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{60,76}={0,2}[\"',]{0,2}\r?(?:\n|$)){3,400}"
)
# Every token of the table holds a run as long as this; most texts hold none.
RUN: Final = re.compile(r"[A-Za-z0-9_\-~$]{14}")
_BASE64_LINE: Final = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{8,}={0,2}[\"',\\nr]{0,4}$")


def find_tokens(text: str, has_run: bool) -> list[Span]:
    """Spans of everything that identifies itself as a credential.

    Args:
        text: the text.
        has_run: whether `RUN` is found in it.
    """
    spans: list[Span] = []
    if "-----" in text:
        spans.extend(Span(m.start(), m.end(), "private_key") for m in PEM.finditer(text))
        for match in PEM_END.finditer(text):
            start = _key_start(text, match.start())
            if start < match.start():
                spans.append(Span(start, match.end(), "private_key"))
    if "hook" in text:
        spans.extend(Span(m.start(1), m.end(1), "webhook") for m in WEBHOOK.finditer(text))
    if not has_run:
        return spans
    spans.extend(Span(m.start(), m.end(), "token") for m in VENDOR.finditer(text) if _is_random(m.group()))
    if "\\" in text:
        spans.extend(
            Span(m.start(), m.end(), "token") for m in ESCAPED.finditer(text) if _is_random(m.group())
        )
    if len(text) >= 60:
        spans.extend(Span(m.start(), m.end(), "private_key") for m in DER.finditer(text))
        if "\n" in text:
            spans.extend(Span(m.start(), m.end(), "private_key") for m in BLOCK.finditer(text))
    return spans


def _is_random(token: str) -> bool:
    """True unless it is a mere identifier that happens to start like a token."""
    return any(c.isdigit() for c in token) or not (
        token.islower() or (token.isupper() and token[1:3] != "KI")
    )


def _key_start(text: str, end: int) -> int:
    """Walk back over the lines of a key that lost its beginning."""
    start = end
    newline = "\\n" if "\\n-----END" in text else "\n"
    for _ in range(400):
        before = text.rfind(newline, 0, max(0, start - 1))
        line = text[before + len(newline) if before >= 0 else 0 : start].strip()
        if line and start < end and not _BASE64_LINE.search(line):
            break
        start = max(before, 0)
        if before <= 0:
            break
    return start
