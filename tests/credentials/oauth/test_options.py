"""Options that OAuth 2 credentials share: shown by name, checked by name, with one default each."""

from __future__ import annotations

import inspect
import re
from unittest import mock

import pytest

import asyncapi
from asyncapi.credentials.oauth.options import DEFAULTS, LoginOptions, scope_of, show_options

CREDENTIALS = [
    asyncapi.OAuth2AuthorizationCode,
    asyncapi.OAuth2ClientCredentials,
    asyncapi.OAuth2DeviceCode,
    asyncapi.OAuth2JWTBearer,
    asyncapi.OAuth2RefreshToken,
    asyncapi.OAuth2TokenExchange,
]
SHARED = {
    "OAuth2AuthorizationCode": set(DEFAULTS),
    "OAuth2ClientCredentials": {"scope", "auth_method", "store", "dpop", "token_type"},
    "OAuth2DeviceCode": set(DEFAULTS),
    "OAuth2JWTBearer": {"scope", "dpop", "token_type"},
    "OAuth2RefreshToken": {"auth_method", "store", "revocation_url", "dpop", "token_type"},
    "OAuth2TokenExchange": {"scope", "auth_method", "dpop", "token_type"},
}


def arguments(credential: type) -> dict[str, object]:
    """What each needs: a URL, an id, and a third one."""
    needed = [
        name
        for name, parameter in inspect.signature(credential).parameters.items()
        if parameter.default is parameter.empty
    ]
    return dict(zip(needed, ["https://h/x", "me", "secret"], strict=False))


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_the_signature_lists_every_option_with_its_default(credential):
    parameters = inspect.signature(credential).parameters
    optional = {name for name, each in parameters.items() if each.default is not each.empty}
    assert optional & DEFAULTS.keys() == SHARED[credential.__name__]
    assert all(parameters[name].default == DEFAULTS[name] for name in SHARED[credential.__name__])
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values())
    assert list(inspect.signature(credential.__init__).parameters)[1:] == list(parameters)


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_every_parameter_of_the_signature_is_described(credential):
    for name in inspect.signature(credential).parameters:
        assert re.search(rf"^ +{name}: ", inspect.getdoc(credential), re.MULTILINE)


def test_every_option_has_a_default():
    assert set(DEFAULTS) == set(LoginOptions.__annotations__)


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_an_unknown_option_is_refused_and_the_nearest_one_is_named(credential):
    with pytest.raises(TypeError) as caught:
        credential(**arguments(credential), token_typ="bot")
    assert str(caught.value) == (f"{credential.__name__} has no option 'token_typ'; did you mean 'token_type'?")


@pytest.mark.parametrize(
    ("credential", "option"),
    [
        (asyncapi.OAuth2RefreshToken, "scope"),
        (asyncapi.OAuth2JWTBearer, "auth_method"),
        (asyncapi.OAuth2TokenExchange, "store"),
        (asyncapi.OAuth2ClientCredentials, "revocation_url"),
    ],
)
def test_an_option_of_other_grants_is_refused_with_the_list_of_ours(credential, option):
    with pytest.raises(TypeError, match=f"{credential.__name__} has no option '{option}'; it takes .*dpop, token_type"):
        credential(**arguments(credential), **{option: None})


def test_a_subclass_may_hand_its_options_on():
    class Ours(asyncapi.OAuth2DeviceCode):
        def __init__(self, **options):
            super().__init__("https://h/device", "me", token_url="https://h/token", **options)

    assert "DPoP" not in Ours(scope="a").describe()
    with pytest.raises(TypeError, match="did you mean 'scope'"):
        Ours(scopes="a")


def test_autospec_knows_the_options():
    spec = mock.create_autospec(asyncapi.OAuth2DeviceCode)
    spec("https://h", "me", scope="a")
    with pytest.raises(TypeError, match="scopes"):
        spec("https://h", "me", scopes="a")


def test_only_a_function_that_takes_options_can_show_them():
    with pytest.raises(TypeError, match="takes no"):
        show_options(scope_of, LoginOptions)


@pytest.mark.parametrize(("scope", "text"), [("a b", "a b"), (["a", "b"], "a b"), (("a",), "a"), ("", ""), ([], "")])
def test_scopes_are_joined_by_spaces(scope, text):
    assert scope_of(scope) == text
