"""The options that type checkers see are those that a route takes."""

from typing import get_type_hints

from asyncapi.testing import mock_route
from asyncapi.testing.mocked_options import RouteOptions


def test_type_checkers_see_what_a_route_takes():
    assert set(RouteOptions.__annotations__) == mock_route._KNOWN
    assert not {"method", "url", "required"} & set(RouteOptions.__annotations__)
    assert get_type_hints is not None
