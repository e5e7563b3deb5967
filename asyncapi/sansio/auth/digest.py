"""Read challenges of Digest access authentication (RFC 7616), and compute the credentials that answer them.

Supported: MD5, SHA-256 and SHA-512-256 and their `-sess` forms; qop `auth`, `auth-int`, or none (RFC 2069);
`userhash`; `charset`; nonce counts; `stale` and `nextnonce` (Authentication-Info). Where a server offers several
challenges, the strongest is used; of `auth` and `auth-int`, `auth`. Nonces and counts are passed in.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from asyncapi.sansio.http.fields import LONGEST, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ALGORITHMS: dict[str, Callable[[bytes], str]] = {
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
_STRENGTH = list(_ALGORITHMS)
# Names have the "/" of a token68 too (RFC 9110 section 11.2), so that another scheme's is skipped. "++" and "*+"
# give nothing back: no character is looked at more than twice.
_PART = re.compile(
    r"""[\s,]*+([!#$%&'*+./^_`|~0-9A-Za-z-]++)(?:\s*+=\s*+(?:"((?:[^"\\]++|\\.)*+)"|([^\s,"]++)))?""", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a server (RFC 7616 section 3.3).

    Attributes:
        realm: The set of users and passwords that it is about.
        nonce: The server's value that the credentials are bound to.
        algorithm: As the server writes it, or "MD5" where it names none.
        opaque: A value to be sent back as it is.
        qop: "auth", "auth-int", or "" for RFC 2069.
        stale: Whether only the nonce was too old; user and password were right.
        userhash: Whether the user's name is to be sent as its hash.
    """

    realm: str
    nonce: str
    algorithm: str = "MD5"
    opaque: str | None = None
    qop: str = ""
    stale: bool = False
    userhash: bool = False

    def with_nonce(self, nonce: str) -> Challenge:
        """The same challenge with the next nonce."""
        return replace(self, nonce=nonce)


def read(headers: Iterable[str]) -> Challenge | None:
    """The strongest Digest challenge in `WWW-Authenticate` headers that is supported, or None."""
    pairs = (pair for header in headers for pair in _challenges(header))
    supported = [challenge for scheme, fields in pairs if (challenge := _supported(scheme, fields)) is not None]
    return min(supported, key=lambda challenge: _STRENGTH.index(_base(challenge.algorithm)), default=None)


def read_nextnonce(header: str) -> str:
    """The next nonce in an `Authentication-Info` header, or ""."""
    return _fields(header).get("nextnonce", "")


def answer(
    challenge: Challenge, user: str, password: str, *, method: str, uri: str, cnonce: str, count: int, body: bytes = b""
) -> str:
    """The value of the `Authorization` header.

    Args:
        challenge: The server's.
        user: The user's name.
        password: The user's password.
        method: The request's.
        uri: The request target, as it goes on the wire.
        cnonce: The client's own nonce.
        count: How often this nonce has been used, 1 for the first.
        body: The request's, for `auth-int`.
    """
    digest = _ALGORITHMS[_base(challenge.algorithm)]

    def hashed(*parts: str) -> str:
        return digest(":".join(parts).encode("utf-8", "surrogateescape"))  # the bytes of a realm or nonce are verbatim

    nonce, nc, qop = challenge.nonce, f"{count:08x}", challenge.qop
    secret = hashed(user, challenge.realm, password)  # A1: section 3.4.2
    if challenge.algorithm.upper().endswith("-SESS"):
        secret = hashed(secret, nonce, cnonce)
    request = hashed(method, uri, digest(body)) if qop == "auth-int" else hashed(method, uri)  # A2: section 3.4.3
    response = (
        hashed(secret, nonce, nc, cnonce, qop, request) if qop else hashed(secret, nonce, request)
    )  # section 3.4.1
    quoted = {"realm": challenge.realm, "nonce": nonce, "uri": uri, "response": response}
    if challenge.opaque is not None:
        quoted["opaque"] = challenge.opaque
    if qop or challenge.algorithm.upper().endswith("-SESS"):
        quoted["cnonce"] = cnonce
    bare = {"algorithm": challenge.algorithm}  # section 3.4: these are not quoted
    if qop:
        bare |= {"qop": qop, "nc": nc}
    if challenge.userhash:  # section 3.4.4
        user, bare["userhash"] = hashed(user, challenge.realm), "true"
    name = f'username="{_escaped(user)}"' if user.isascii() else f"username*=UTF-8''{_percent(user)}"
    parts = [name, *(f'{key}="{_escaped(value)}"' for key, value in quoted.items())]
    return "Digest " + ", ".join([*parts, *(f"{key}={value}" for key, value in bare.items())])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _percent(value: str) -> str:
    """Text as an extended value (RFC 8187 section 3.2.1)."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in value.encode())  # noqa: PLR2004 - ASCII


def _supported(scheme: str, fields: dict[str, str]) -> Challenge | None:
    algorithm = fields.get("algorithm", "MD5")
    if scheme != "digest" or "nonce" not in fields or _base(algorithm) not in _ALGORITHMS:
        return None
    offered = [qop.strip().lower() for qop in fields.get("qop", "").split(",") if qop.strip()]
    qop = "auth" if "auth" in offered else "auth-int" if "auth-int" in offered else ""
    if offered and not qop:
        return None
    return Challenge(
        fields.get("realm", ""),
        fields["nonce"],
        algorithm,
        fields.get("opaque"),
        qop,
        stale=fields.get("stale", "").lower() == "true",
        userhash=fields.get("userhash", "").lower() == "true",
    )


def _base(algorithm: str) -> str:
    return algorithm.upper().removesuffix("-SESS")


def _challenges(header: str) -> Iterable[tuple[str, dict[str, str]]]:
    """The challenges of one header: each begins with a scheme, a name that no `=` follows."""
    if len(header) > LONGEST:
        return
    fields: dict[str, str] = {}
    scheme, at = "", 0
    while (part := _PART.match(header, at)) is not None and part.end() > at:
        name, quoted, token = part.groups()
        at = part.end()
        if quoted is None and token is None:
            if scheme:
                yield scheme, fields
            scheme, fields = name.lower(), {}
        else:
            fields[name.lower()] = unescaped(quoted) if quoted is not None else token
    if scheme:
        yield scheme, fields


def _fields(header: str) -> dict[str, str]:
    return next(iter(_challenges(f"info {header}")), ("", {}))[1]
