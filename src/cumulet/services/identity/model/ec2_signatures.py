"""Signatures of EC2 (versions 1, 2 and 4) and of S3 (1 and 4), made again and compared.

A signature of EC2 is good for some minutes around the time that it covers, and one that covers no time is none: it
would be good for ever (OSSA-2020-003). The time is taken from where the version signs it, so that no other one can be
put beside it. What S3's gateways send is the text that was signed; a presigned address may be days old there, and the
gateway, which knows the request, checks its time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from cumulet.http.faults import Unauthorized
from cumulet.services.identity.wire.signatures import Signed, Value

LIFE_S = 15 * 60
_V4 = "AWS4-HMAC-SHA256"
_S3_SERVICES = ("s3", "iam", "sts")
_INVALID = "Invalid EC2 signature."


def check_ec2(secret: str, given: Signed, now_s: float) -> None:
    """Raise 401 unless `given` is signed with `secret`, and lately."""
    if not given.signature:
        raise Unauthorized("EC2 signature not supplied.")
    hosts = [given.host]
    if ":" in given.host:  # some clients sign without the port
        hosts.append(given.host.rpartition(":")[0])
    if not any(_same(_ec2(secret, given, host), given.signature) for host in hosts):
        raise Unauthorized(_INVALID)
    _check_time(_time_of(given), now_s)


def check_s3(secret: str, given: Signed, now_s: float) -> None:
    """Raise 401 unless the text in `given` is signed with `secret`; a time that is given too has to be a late one."""
    try:
        text = base64.urlsafe_b64decode(given.token)
    except (binascii.Error, ValueError):
        raise Unauthorized("Credential signature mismatch") from None
    expected = _s3_v4(secret, text) if text.startswith(b"AWS4") else _v1(secret, text)
    if not given.signature or not _same(expected, given.signature):
        raise Unauthorized("Credential signature mismatch")
    if when := _time_of(given):
        _check_time(when, now_s)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _sha256(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


def _text(value: Value) -> str:
    return value if isinstance(value, str) else str(value)


def _header(given: Signed, name: str) -> str | None:
    return next((value for key, value in (given.headers or {}).items() if key.lower() == name), None)


def _param(given: Signed, name: str) -> str | None:
    value = (given.params or {}).get(name)
    return None if value is None else _text(value)


def _is_v4(given: Signed) -> bool:
    header = _header(given, "authorization")
    return header.startswith(_V4) if header is not None else _param(given, "X-Amz-Algorithm") == _V4


def _time_of(given: Signed) -> str | None:
    """The time that the signature covers."""
    if _param(given, "SignatureVersion") is not None:
        return _param(given, "Timestamp")
    return _header(given, "x-amz-date") or _param(given, "X-Amz-Date")


def _check_time(when: str | None, now_s: float) -> None:
    try:
        parsed = datetime.fromisoformat(when or "")
        moment = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Unauthorized("Credential timestamp is invalid") from None
    if not abs(now_s - moment) <= LIFE_S:
        raise Unauthorized("Credential is expired")


def _ec2(secret: str, given: Signed, host: str) -> str:
    version = _param(given, "SignatureVersion")
    params = given.params or {}
    if version == "1":
        names = sorted(params, key=str.lower)
        return _v1(secret, "".join(name + _text(params[name]) for name in names).encode())
    if version == "2":
        query = _query({**params, "SignatureMethod": "HmacSHA256"})
        text = f"{given.verb}\n{host}\n{given.path}\n{query}"
        return base64.b64encode(_sha256(secret.encode(), text.encode())).decode()
    if version is None and _is_v4(given):
        return _ec2_v4(secret, given, host)
    raise Unauthorized(_INVALID)


def _v1(secret: str, text: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha1).digest()).decode()


def _query(params: Mapping[str, Value]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(_text(params[name]), safe='-_~')}" for name in sorted(params))


def _ec2_v4(secret: str, given: Signed, host: str) -> str:
    """Raises 401 for what lacks a part, or whose dates differ."""
    credential, names = _part(given, "Credential"), _part(given, "SignedHeaders")
    scope = credential.split("/")[1:]
    when = _time_of(given) or ""
    if len(scope) != 4 or scope[3] != "aws4_request" or not when.startswith(scope[0]) or not scope[0]:
        raise Unauthorized(_INVALID)
    headers = {name.lower().strip(): value.strip() for name, value in (given.headers or {}).items()}
    if "host" in headers and host != given.host:
        headers["host"] = headers["host"].rpartition(":")[0] or headers["host"]
    signed = "".join(f"{name}:{headers[name]}\n" for name in names.split(";") if name in headers)
    query = "" if given.verb.upper() == "POST" else _query(given.params or {})
    parts = (given.verb.upper(), given.path, query, signed or "\n", names, given.body_hash or "")
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return _v4(secret, scope, "\n".join((_V4, when, "/".join(scope), digest)).encode())


def _part(given: Signed, name: str) -> str:
    """A part of the Authorization header, or of the query where that is not used."""
    header = _header(given, "authorization")
    if header is not None:
        return header.partition(f"{name}=")[2].split(",")[0]
    return _param(given, f"X-Amz-{name}") or ""


def _v4(secret: str, scope: list[str], text: bytes) -> str:
    key = f"AWS4{secret}".encode()
    for step in scope:
        key = _sha256(key, step.encode())
    return _sha256(key, text).hex()


def _s3_v4(secret: str, text: bytes) -> str:
    lines = text.decode("utf-8", "replace").split("\n")
    scope = lines[2].split("/") if len(lines) == 4 and lines[0] == _V4 else []
    if len(scope) != 4 or scope[3] != "aws4_request" or scope[2] not in _S3_SERVICES:
        raise Unauthorized(_INVALID)
    return _v4(secret, scope, text)
