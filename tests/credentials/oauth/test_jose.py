"""JWTs and proofs are signed by any private key that fits, and no error shows the key."""

from __future__ import annotations

import json
import sys
import traceback

import pytest

from asyncapi import AuthError, ConfigError, OAuth2ClientCredentials
from asyncapi.credentials.oauth.jose import ProofKey, new_key, sign_jwt
from asyncapi.testing import run
from provider import CANARY, Provider

pytest.importorskip("joserfc")

from joserfc import jwk, jws, jwt

KEYS = {
    "RSA": (jwk.generate_key("RSA", 2048), "RS256"),
    "P-256": (jwk.generate_key("EC", "P-256"), "ES256"),
    "P-384": (jwk.generate_key("EC", "P-384"), "ES384"),
    "P-521": (jwk.generate_key("EC", "P-521"), "ES512"),
    "Ed25519": (jwk.generate_key("OKP", "Ed25519"), "EdDSA"),
    "octets": (jwk.generate_key("oct", 256), "HS256"),
}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("kind", "form"), [(kind, form) for kind in KEYS for form in ("PEM", "JWK") if (kind, form) != ("octets", "PEM")]
)
def test_the_algorithm_fits_the_key(kind, form):
    key, algorithm = KEYS[kind]
    text = key.as_pem(private=True).decode() if form == "PEM" else json.dumps(key.as_dict(private=True))
    decoded = jwt.decode(sign_jwt(text, {"iss": "me"}), key, algorithms=[algorithm])
    assert decoded.claims == {"iss": "me"}
    assert (decoded.header["alg"], decoded.header["typ"]) == (algorithm, "JWT")


@pytest.mark.parametrize(("own", "given", "sent"), [({}, "", None), ({"kid": "a"}, "", "a"), ({"kid": "a"}, "b", "b")])
def test_the_key_id_is_what_was_given_or_the_keys_own(own, given, sent):
    key = {**KEYS["P-256"][0].as_dict(private=True), **own}
    if not own:
        key.pop("kid", None)
    signed = sign_jwt(json.dumps(key), {}, key_id=given)
    assert jws.extract_compact(signed.encode()).headers().get("kid") == sent


def test_another_algorithm_may_be_given():
    key = KEYS["RSA"][0]
    signed = sign_jwt(key.as_pem(private=True).decode(), {}, algorithm="PS384")
    assert jwt.decode(signed, key, algorithms=["PS384"]).header["alg"] == "PS384"


def test_a_proof_has_the_public_key_alone_and_can_be_verified_with_it():
    text = new_key()
    proof = ProofKey(text)
    header = jws.extract_compact(proof.sign({"htm": "GET"}).encode()).headers()
    assert set(header["jwk"]) == {"kty", "crv", "x", "y"}
    assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
    public = jwk.import_key(header["jwk"])
    assert jwt.decode(proof.sign({"htm": "GET"}), public, algorithms=["ES256"]).claims == {"htm": "GET"}
    assert public.thumbprint() == proof.thumbprint


@pytest.mark.parametrize("text", [CANARY, f'{{"kty": "{CANARY}"}}', f'["{CANARY}"]', "[" * 100_000])
def test_a_text_that_is_not_a_key_is_an_auth_error_that_does_not_show_it(text):
    for read in (ProofKey, lambda key: sign_jwt(key, {})):
        with pytest.raises(AuthError, match=r"can't (be read|sign): ") as caught:
            read(text)
        error = caught.value
        assert CANARY not in f"{error!r} {error.__context__!r} {error.__cause__!r}"


def test_without_joserfc_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "joserfc.jwk", None)
    for sign in (new_key, lambda: sign_jwt("key", {})):
        with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[auth\]'"):
            sign()


def test_a_key_that_can_not_sign_is_an_auth_error_that_shows_nothing_of_it():
    async def scenario():
        provider = Provider()
        auth = OAuth2ClientCredentials("https://h/token", "me", private_key=CANARY)
        async with provider.client(auth) as api:
            with pytest.raises(AuthError, match="give a PEM or JWK private key") as caught:
                await api.get("/")
        assert CANARY not in "".join(traceback.format_exception(caught.value))

    run(scenario())
