"""Credentials with the method names of 0.1 work for one more minor release, and say what to change."""

from __future__ import annotations

import importlib
import sys

import pytest

import asyncapi.credentials
from asyncapi import Client, KeyPool
from asyncapi.credentials import Signature
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


@pytest.mark.parametrize("wrapped", [lambda old: old, lambda old: KeyPool([old])])
def test_a_credential_with_the_old_names_signs_and_is_asked_after_a_401(wrapped):
    seen = []

    def handler(request):
        seen.append(request.headers["X-Key"])
        return reply(401 if len(seen) == 1 else 200)

    async def scenario():
        with pytest.warns(
            DeprecationWarning, match="Old: ready is now cached_signature, obtain is now fetch_signature"
        ):
            api = Client("https://h", transport=MockTransport(handler), auth=wrapped(Old()))
        async with api:
            assert (await api.get("/")).status == 200

    run(scenario())
    assert seen == ["one", "one"]


def test_its_description_is_shown_by_explain():
    with pytest.warns(DeprecationWarning, match="told is now describe"):
        api = Client("https://h", transport=MockTransport(lambda _: reply()), auth=Old())
    assert "an old one" in str(api.explain())


def test_renamed_names_are_found_under_the_old_ones_with_a_warning():
    with pytest.warns(DeprecationWarning, match="AuthContext"):
        assert asyncapi.credentials.Means is asyncapi.credentials.AuthContext
    sys.modules.pop("asyncapi.config", None)
    with pytest.warns(DeprecationWarning, match="asyncapi.settings"):
        config = importlib.import_module("asyncapi.config")
    assert config.Retry is asyncapi.Retry
