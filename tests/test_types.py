"""The types that all rooms share: one place to import them from, UNSET, and how layers are stacked."""

from __future__ import annotations

import pytest

from asyncapi import types
from asyncapi.messages import call, request, response
from asyncapi.types import UNSET, Response, Unset, stack


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("Attempt", call), ("Call", call), ("Body", request), ("Request", request), ("Outcome", response),
        ("Response", response),
    ],
)  # fmt: skip
def test_messages_can_be_imported_from_types(name, home):
    assert getattr(types, name) is getattr(home, name)
    assert name in dir(types)


def test_every_public_name_is_there():
    assert all(hasattr(types, name) for name in types.__all__)
    assert set(types.__all__) <= set(dir(types))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        types.Nothing  # noqa: B018 - the access is the test


def test_unset_is_false_and_says_its_name():
    assert not UNSET
    assert isinstance(UNSET, Unset)
    assert repr(UNSET) == "UNSET"


async def test_the_first_layer_of_a_stack_is_the_outermost():
    order = []

    def named(name):
        def layer(inner):
            async def send(message):
                order.append(f"{name} in")
                answer = await inner(message)
                order.append(f"{name} out")
                return answer

            return send

        return layer

    async def transport(_):
        order.append("transport")
        return Response(200)

    assert (await stack(transport, named("a"), named("b"))(None)).status == 200
    assert order == ["a in", "b in", "transport", "b out", "a out"]


async def test_a_stack_without_layers_is_the_transport():
    async def transport(_):
        return Response(204)

    assert stack(transport) is transport
