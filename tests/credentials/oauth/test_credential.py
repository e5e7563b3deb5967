"""What every OAuth 2 credential promises, whatever its grant."""

from __future__ import annotations

import pytest

from asyncapi import (
    OAuth2AuthorizationCode,
    OAuth2ClientCredentials,
    OAuth2DeviceCode,
    OAuth2JWTBearer,
    OAuth2RefreshToken,
    OAuth2TokenExchange,
)
from asyncapi.credentials.oauth.credential import _OAuthCredential
from kinds import PRIVATE

URL = "https://login/token"
GRANTS = {
    "client credentials": lambda **how: OAuth2ClientCredentials(URL, "me", "secret", **how),
    "authorization code": lambda **how: OAuth2AuthorizationCode(URL, "me", token_url=URL, **how),
    "device code": lambda **how: OAuth2DeviceCode(URL, "me", token_url=URL, **how),
    "refresh token": lambda **how: OAuth2RefreshToken(URL, "me", refresh_token="old", **how),
    "JWT bearer": lambda **how: OAuth2JWTBearer(URL, "me", PRIVATE, **how),
    "token exchange": lambda **how: OAuth2TokenExchange(URL, "me", "theirs", **how),
}
USERS = {"authorization code", "device code", "refresh token"}


@pytest.mark.parametrize("grant", GRANTS)
def test_its_methods_are_where_go_to_definition_ends(grant):
    credential = GRANTS[grant]()
    for name in ("cached_signature", "fetch_signature", "on_response", "describe"):
        assert getattr(type(credential), name) is getattr(_OAuthCredential, name)
        assert name not in vars(credential)


@pytest.mark.parametrize("grant", GRANTS)
def test_its_description_and_repr_name_the_grant_and_the_server(grant):
    credential = GRANTS[grant]()
    method = "client_secret_basic" if grant == "client credentials" else "none"
    assert credential.describe() == f"OAuth 2 {grant}, client me at {URL} ({method})"
    assert repr(credential) == f"<{type(credential).__name__} client me at {URL} ({method})>"


@pytest.mark.parametrize("grant", GRANTS)
def test_only_users_sessions_can_be_revoked_and_only_they_have_changing_principals(grant):
    credential = GRANTS[grant]()
    assert hasattr(credential, "revoke") is (grant in USERS)
    assert (credential.principal is not None) is (grant in USERS)


@pytest.mark.parametrize("grant", GRANTS)
def test_a_call_is_sent_again_once_for_a_token_and_once_more_for_a_nonce(grant):
    pytest.importorskip("joserfc")
    assert GRANTS[grant]().max_resends == 1
    assert GRANTS[grant](dpop=True).max_resends == 2
