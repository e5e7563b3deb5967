"""Names of 0.1 work for one more minor release, and say what to change."""

from __future__ import annotations

import copy
import importlib
import sys
import warnings
from dataclasses import replace

import pytest

import asyncapi.credentials
from asyncapi import Basic, Bearer, Cache, Client, Digest, KeyPool, OAuth2ClientCredentials, OAuth2RefreshToken
from asyncapi.credentials import Signature
from asyncapi.credentials.renamed import OLD_NAMES, RenamedCredential, with_new_names
from asyncapi.testing import MockTransport, reply, run


class Old:
    resends = 1
    whose = None

    def ready(self, request, means):
        return Signature(headers=(("X-Key", "one"),))

    async def obtain(self, request, means):
        return self.ready(request, means)

    def answered(self, signature, response, refused, means):
        return "once more" if response.status == 401 and not refused else ""

    def told(self):
        return "an old one"


class Slotted:
    __slots__ = ("answered", "obtain", "ready", "resends", "told")

    def __init__(self):
        old = Old()
        self.ready, self.obtain, self.answered, self.told = old.ready, old.obtain, old.answered, old.told
        self.resends = 1


class Bound:
    """Its methods are another's, bound to it, as those of 0.1's own OAuth credentials were."""

    def __init__(self):
        old = Old()
        self.ready, self.obtain, self.answered, self.told = old.ready, old.obtain, old.answered, old.told
        self.resends = 1


class Handed:
    """It hands every name on."""

    def __init__(self):
        self._inner = Old()

    def __getattr__(self, name):
        return getattr(self._inner, name)


def served(credential, statuses=(401, 200)) -> list[str]:
    """The keys that a call sent, while the server refuses what it refuses."""
    seen: list[str] = []

    def handler(request):
        seen.append(request.headers.get("X-Key") or request.headers.get("Authorization", ""))
        return reply(statuses[min(len(seen), len(statuses)) - 1])

    async def scenario():
        async with Client("https://h", transport=MockTransport(handler), auth=credential, retry=None) as api:
            await api.get("/")

    run(scenario())
    return seen


@pytest.mark.parametrize("kind", [Old, Slotted, Bound, Handed])
@pytest.mark.parametrize("wrapped", [lambda old: old, lambda old: KeyPool([old])])
def test_a_credential_with_the_old_names_signs_and_is_asked_after_a_401(kind, wrapped):
    with pytest.warns(DeprecationWarning, match=f"{kind.__name__}: ready is now cached_signature, obtain is now fetch"):
        assert served(wrapped(kind())) == ["one", "one"]


def test_its_description_is_shown_by_explain():
    with pytest.warns(DeprecationWarning, match="told is now describe"):
        api = Client("https://h", transport=MockTransport(lambda _: reply()), auth=Old())
    assert "an old one" in str(api.explain())


def test_the_warning_names_the_line_of_the_user():
    with pytest.warns(DeprecationWarning, match="Old: ready is now") as caught:
        Client("https://h", transport=MockTransport(lambda _: reply()), auth=Old())
    assert [each.filename for each in caught] == [__file__]


def test_an_old_credential_that_names_its_user_keeps_cached_responses_apart():
    class ForSomebody(Old):
        user = "ann"

        async def whose(self):
            return self.user

    seen = []

    def handler(request):
        seen.append(credential.user)
        return reply(json=credential.user, headers={"Cache-Control": "private, max-age=60"})

    async def scenario():
        with pytest.warns(DeprecationWarning, match="whose is now principal"):
            api = Client("https://h", transport=MockTransport(handler), auth=credential, cache=Cache())
        async with api:
            for user in ("ann", "ann", "bob", "ann"):
                credential.user = user
                assert (await api.get("/me")).json() == user

    credential = ForSomebody()
    run(scenario())
    assert seen == ["ann", "bob"]


def test_an_old_credential_that_names_no_user_has_nothing_cached():
    """Nobody knows whose its responses are."""
    seen = []

    def handler(request):
        seen.append(request)
        return reply(headers={"Cache-Control": "max-age=60"})

    async def scenario():
        with pytest.warns(DeprecationWarning, match="Slotted: ready is now"):
            api = Client("https://h", transport=MockTransport(handler), auth=Slotted(), cache=Cache())
        async with api:
            await api.get("/me")
            await api.get("/me")

    run(scenario())
    assert len(seen) == 2


def test_a_credential_with_both_names_is_called_by_the_new_ones_and_not_warned_of():
    class Both:
        max_resends = 0

        def cached_signature(self, request, context):
            return Signature(headers=(("X-Key", "new"),))

        async def fetch_signature(self, request, context):
            return self.cached_signature(request, context)

        def on_response(self, signature, response, refused, context):
            return ""

        def describe(self):
            return ""

        ready, obtain, answered, told, resends = cached_signature, fetch_signature, on_response, describe, max_resends

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert served(Both(), statuses=(200,)) == ["new"]


def test_an_old_name_that_overrides_a_method_of_ours_counts():
    class Stubborn(Bearer):
        def answered(self, signature, response, refused, means):
            return super().answered(signature, response, refused, means) or ("" if refused else "again")

    auth = Stubborn("token")
    with pytest.warns(DeprecationWarning, match=r"Stubborn(: |\.)answered is now on_response$"):
        assert served(auth, statuses=(401, 200)) == ["Bearer token"] * 2


OURS = [
    Bearer("token"),
    Basic("me", "secret"),
    Digest("me", "secret"),
    KeyPool([Bearer("token")]),
    OAuth2ClientCredentials("https://h/token", "me", "secret"),
    OAuth2RefreshToken("https://h/token", "me", refresh_token="old"),
]


@pytest.mark.parametrize("credential", OURS, ids=lambda credential: type(credential).__name__)
def test_credentials_of_ours_are_found_under_the_old_names(credential):
    for new, old in OLD_NAMES.items():
        with pytest.warns(DeprecationWarning, match=f"{type(credential).__name__}.{old} is now {new}"):
            assert getattr(credential, old) == getattr(credential, new)


@pytest.mark.parametrize("credential", OURS, ids=lambda credential: type(credential).__name__)
def test_credentials_of_ours_are_not_taken_for_old_ones(credential):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_new_names(credential) is credential


def test_a_credential_that_wraps_one_of_ours_by_the_old_names_works():
    class Counting:
        resends = 1

        def __init__(self, inner):
            self.inner, self.signed = inner, 0

        def ready(self, request, means):
            self.signed += 1
            return self.inner.ready(request, means)

        async def obtain(self, request, means):
            return await self.inner.obtain(request, means)

        def answered(self, *args):
            return self.inner.answered(*args)

        def told(self):
            return self.inner.told()

    auth = Counting(Bearer("token"))
    with pytest.warns(DeprecationWarning, match=r"Counting: ready is|Bearer\.\w+ is now") as caught:
        assert served(auth, statuses=(200,)) == ["Bearer token"]
    assert auth.signed == 1
    assert "Bearer.ready is now cached_signature" in {str(each.message) for each in caught}


def test_an_adapter_can_be_copied_and_shows_what_it_wraps():
    adapter = RenamedCredential(Old(), {"describe": "told"})
    assert copy.copy(adapter).describe() == "an old one"
    assert repr(RenamedCredential(Bearer("t"), {})) == repr(Bearer("t"))


def test_a_signature_takes_and_gives_the_old_names():
    with pytest.warns(DeprecationWarning, match="source= and pooled="):
        signature = Signature(by="key", of_many=True)
    assert signature == Signature(source="key", pooled=True)
    assert replace(signature, headers=(("A", "b"),)).source == "key"
    with pytest.warns(DeprecationWarning, match="Signature.by is now source"):
        assert signature.by == "key"
    with pytest.warns(DeprecationWarning, match="Signature.of_many is now pooled"):
        assert signature.of_many is True


def test_renamed_names_are_found_under_the_old_ones_with_a_warning():
    with pytest.warns(DeprecationWarning, match="AuthContext"):
        assert asyncapi.credentials.Means is asyncapi.credentials.AuthContext
    sys.modules.pop("asyncapi.config", None)
    with pytest.warns(DeprecationWarning, match="asyncapi.settings"):
        config = importlib.import_module("asyncapi.config")
    assert config.Retry is asyncapi.Retry
