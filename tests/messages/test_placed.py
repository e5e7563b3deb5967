"""A URL of an endpoint is one of the whole set; any other stays what it is."""

import pytest

from asyncapi.messages.placed import Placed
from asyncapi.messages.target import Target


@pytest.mark.parametrize(
    ("url", "in_set"),
    [
        ("https://b/v1/users?x=1", "https://endpoints.invalid/users?x=1"),
        ("https://b/v1", "https://endpoints.invalid"),
        ("https://b/v12", "https://b/v12"),
        ("https://c/v1/users", "https://c/v1/users"),
    ],
)
def test_a_url_below_the_endpoint_is_one_of_the_set(url, in_set):
    placed = Placed(Target.of("https://endpoints.invalid/users"), "https://endpoints.invalid", "https://b/v1")
    assert placed.in_set(url) == in_set
