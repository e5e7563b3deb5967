"""The public face: what `from asyncapi import ...` promises, no more and no less."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import metadata, resources

import pytest

import asyncapi
from asyncapi import errors

NAMES = {
    "AWSSigV4", "ApiKey", "Basic", "Bearer", "Digest", "Env", "File", "Issuer", "OAuth2ClientCredentials", "Key", "KeyPool", "Together",
    "OAuth2JWTBearer", "OAuth2TokenExchange", "OAuth2AuthorizationCode", "OAuth2DeviceCode", "OAuth2RefreshToken",
    "Attempt", "Budget", "Client", "Outcome", "RateLimit", "Redis", "RedisStore", "Request", "Response", "Retry", "SQLiteStore", "Stats", "TLS", "Timeout",
    "deadline", "inbound", "Cursor", "LinkHeader", "NextUrl", "Offset", "Page", "PageNumber", "Pages",
    "API", "Body", "Cookie", "Form", "Header", "Option", "Path", "Query", "Upload", "delete", "get", "operation", "patch", "post", "put", "websocket",
    "WebSocket", "SocketClosed", "Stream", "StreamedResponse", "JSONLines", "Events", "ServerSentEvent",
    "Cache", "Egress", "EgressDenied", "InsecureTLSWarning", "Fallback", "CostBudget", "RateExceeded", "Adaptive",
    "GraphQL", "GraphQLBaseClient", "GraphQLError", "GraphQLOperation", "GraphQLResult", "IncrementalResults", "RPCError",
    "Subscription",
    "Alert", "Breaker", "Endpoint", "EndpointStats", "Endpoints", "Hedge", "HTTP2", "Mesh", "Learned", "LearnedStats",
    "AsyncAPIError", "AuthError", "BadRequest", "BudgetSpent", "CircuitOpen", "ClientError", "ConfigError", "Conflict",
    "ConnectError", "DeadlineExceeded", "DecodeError", "Forbidden", "Gone", "NotFound", "PaymentRequired",
    "OutcomeUnknown", "ProtocolError", "QueueFull", "RateLimited", "RejectedError", "RequestTimeout", "SchemaError", "ServerError",
    "StatusError", "TLSError", "TransportError", "Unauthorized", "UnprocessableEntity",
}  # fmt: skip

PUBLIC = sorted(NAMES)


def test_all_names_what_is_promised():
    assert set(asyncapi.__all__) == NAMES
    assert len(asyncapi.__all__) == len(NAMES)


def test_every_error_is_exported():
    made = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert made <= NAMES


@pytest.mark.parametrize("name", PUBLIC)
def test_a_promised_name_can_be_imported_and_listed(name):
    assert getattr(asyncapi, name) is not None
    assert name in dir(asyncapi)


def test_the_version_is_that_of_the_distribution():
    assert asyncapi.__version__ == metadata.version("asyncapi-sdk")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Clint"):
        asyncapi.Clint  # noqa: B018


def test_a_star_import_brings_the_public_names_alone():
    code = "from asyncapi import *; print(*sorted(name for name in dir() if not name.startswith('_')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == sorted(NAMES)


def own_members(cls):
    """The public methods and properties that a class defines itself."""
    for name, value in vars(cls).items():
        is_member = inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod)
        if is_member and not name.startswith("_"):
            yield name, value


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_what_it_does(name):
    value = getattr(asyncapi, name)
    assert len((value.__doc__ or "").strip()) >= 4, f"{name} has no docstring of its own"
    if inspect.isclass(value):
        assert value.__doc__ not in {base.__doc__ for base in value.__mro__[1:]}
        bare = [member for member, made in own_members(value) if not inspect.getdoc(made)]
        assert not bare, f"no docstring: {bare}"


def test_type_checkers_are_told_that_the_package_is_typed():
    assert resources.files("asyncapi").joinpath("py.typed").is_file()


def test_what_users_tests_import_is_there():
    from asyncapi import testing

    for name in ("FakeClock", "MockTransport", "reply", "run"):
        assert getattr(testing, name).__doc__, name
