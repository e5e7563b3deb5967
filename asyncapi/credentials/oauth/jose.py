"""Sign JWTs (RFC 7519) with joserfc, which is loaded when the first one is signed (extra `auth`)."""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from asyncapi.errors import AuthError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_PUBLIC = ("kty", "crv", "x", "y")  # the public parts of an EC key (RFC 7518 section 6.2.1)


def sign_jwt(key: str, claims: Mapping[str, Any], *, algorithm: str = "", key_id: str = "") -> str:
    """Sign claims as a JWT.

    Args:
        key: A private key as PEM or JWK.
        claims: The claims.
        algorithm: The `alg` of RFC 7518; "" for the one that fits the key: RS256, ES256 (384, 512), EdDSA.
        key_id: The key's `kid`; by default the JWK's own.

    Raises:
        ConfigError: joserfc is not installed.
        AuthError: The key can't be read, or can't sign.
    """
    jwk, jwt, joserfc_error = _joserfc("jwk"), _joserfc("jwt"), _joserfc("errors").JoseError
    why = ""
    try:
        private = _read(jwk, key)
        chosen = algorithm or _fitting(private)
        kid = key_id or private.get("kid") or ""
        header = {"alg": chosen, "typ": "JWT"} | ({"kid": kid} if kid else {})
        with warnings.catch_warnings():  # RFC 9864 deprecates the name EdDSA, but few servers know its successor
            warnings.simplefilter("ignore")
            return str(jwt.encode(header, dict(claims), private, algorithms=[chosen]))
    except (ValueError, TypeError, KeyError, RecursionError, joserfc_error) as error:
        why = type(error).__name__  # raised below, outside: these errors hold the key
    raise AuthError(f"the private key can't sign: {why}; give a PEM or JWK private key")


class ProofKey:
    """A key that signs DPoP proofs (RFC 9449 section 4.2).

    Args:
        text: A private JWK for ES256, as `new_key` makes it.

    Raises:
        AuthError: The text is not such a key.
    """

    __slots__ = ("_encode", "_header", "_key", "thumbprint")

    def __init__(self, text: str) -> None:
        jwk, self._encode, why = _joserfc("jwk"), _joserfc("jwt").encode, ""
        try:
            self._key = jwk.import_key(json.loads(text))
            public = self._key.as_dict(private=False)
            self._header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": {name: public[name] for name in _PUBLIC}}
            self.thumbprint: str = self._key.thumbprint()
        except (ValueError, TypeError, KeyError, RecursionError, _joserfc("errors").JoseError) as error:
            why = type(error).__name__
        if why:
            raise AuthError(f"the key that the token is bound to can't be read: {why}")

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Sign claims as a proof."""
        return str(self._encode(self._header, dict(claims), self._key, algorithms=["ES256"]))


def new_key() -> str:
    """Make a private key for proofs, a JWK as text.

    Raises:
        ConfigError: joserfc is not installed.
    """
    return json.dumps(_joserfc("jwk").generate_key("EC", "P-256").as_dict(private=True))


def _joserfc(module: str) -> Any:
    try:
        return import_module(f"joserfc.{module}")
    except ImportError:
        raise ConfigError("signing JWTs needs joserfc: pip install 'asyncapi-sdk[auth]'") from None


def _read(jwk: Any, key: str) -> Any:
    if key.lstrip().startswith("{"):
        return jwk.import_key(json.loads(key))
    primitives = "cryptography.hazmat.primitives"
    private = import_module(f"{primitives}.serialization").load_pem_private_key(key.encode(), None)
    is_rsa = isinstance(private, import_module(f"{primitives}.asymmetric.rsa").RSAPrivateKey)
    is_curve = isinstance(private, import_module(f"{primitives}.asymmetric.ec").EllipticCurvePrivateKey)
    return jwk.import_key(key, "RSA" if is_rsa else "EC" if is_curve else "OKP")


def _fitting(key: Any) -> str:
    if key.key_type == "EC":
        return _BY_CURVE.get(key.curve_name, "ES256")
    return {"RSA": "RS256", "OKP": "EdDSA", "oct": "HS256"}[key.key_type]
