"""asyncapi: call other people's APIs concurrently, resiliently, fast.

from asyncapi import Client

async with Client("https://api.example.com") as api:
    user = await api.get("/users/1", model=User)
"""

from typing import TYPE_CHECKING

from asyncapi.faces import lazy_face
from asyncapi.version import VERSION

if TYPE_CHECKING:
    from asyncapi.calls.inbound import inbound
    from asyncapi.client.client import Client
    from asyncapi.client.stats import EndpointStats, LearnedStats, Stats
    from asyncapi.credentials import (
        ApiKey,
        AWSSigV4,
        Basic,
        Bearer,
        Digest,
        Env,
        File,
        Issuer,
        Key,
        KeyPool,
        OAuth2AuthorizationCode,
        OAuth2ClientCredentials,
        OAuth2DeviceCode,
        OAuth2JWTBearer,
        OAuth2RefreshToken,
        OAuth2TokenExchange,
        Together,
    )
    from asyncapi.declared.api import (
        API,
        Body,
        Cookie,
        Form,
        Header,
        Option,
        Path,
        Query,
        Upload,
        delete,
        get,
        operation,
        patch,
        post,
        put,
        websocket,
    )
    from asyncapi.errors import (
        AsyncAPIError,
        AuthError,
        BadRequest,
        BudgetSpent,
        CircuitOpen,
        ClientError,
        ConfigError,
        Conflict,
        ConnectError,
        DeadlineExceeded,
        DecodeError,
        EgressDenied,
        Forbidden,
        Gone,
        GraphQLError,
        InsecureTLSWarning,
        NotFound,
        OutcomeUnknown,
        PaymentRequired,
        ProtocolError,
        QueueFull,
        RateExceeded,
        RateLimited,
        RejectedError,
        RequestTimeout,
        RPCError,
        SchemaError,
        ServerError,
        SocketClosed,
        StatusError,
        TLSError,
        TransportError,
        Unauthorized,
        UnprocessableEntity,
    )
    from asyncapi.layers.deadline import deadline
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Outcome, Response
    from asyncapi.pagination.pages import Pages
    from asyncapi.sansio.http.pages import Page
    from asyncapi.sansio.http.sse import ServerSentEvent
    from asyncapi.settings import (
        HTTP2,
        TLS,
        Adaptive,
        Breaker,
        Budget,
        Cache,
        CostBudget,
        Cursor,
        Egress,
        Endpoint,
        Endpoints,
        Fallback,
        Hedge,
        Learned,
        LinkHeader,
        Mesh,
        NextUrl,
        Offset,
        PageNumber,
        RateLimit,
        Redis,
        Retry,
        Timeout,
    )
    from asyncapi.speakers.graphql import GraphQL
    from asyncapi.speakers.graphql_batch import GraphQLOperation
    from asyncapi.speakers.graphql_codegen import GraphQLBaseClient
    from asyncapi.speakers.graphql_incremental import IncrementalResults
    from asyncapi.speakers.graphql_results import GraphQLResult
    from asyncapi.speakers.graphql_subscription import Subscription
    from asyncapi.speakers.websocket import WebSocket
    from asyncapi.stores.redis_tokens import RedisStore
    from asyncapi.stores.sqlite import SQLiteStore
    from asyncapi.streaming.events import Events
    from asyncapi.streaming.response import StreamedResponse
    from asyncapi.streaming.stream import JSONLines, Stream
    from asyncapi.watch.alert import Alert

__version__ = VERSION

__all__ = [
    "API",
    "HTTP2",
    "TLS",
    "AWSSigV4",
    "Adaptive",
    "Alert",
    "ApiKey",
    "AsyncAPIError",
    "Attempt",
    "AuthError",
    "BadRequest",
    "Basic",
    "Bearer",
    "Body",
    "Breaker",
    "Budget",
    "BudgetSpent",
    "Cache",
    "CircuitOpen",
    "Client",
    "ClientError",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "Cookie",
    "CostBudget",
    "Cursor",
    "DeadlineExceeded",
    "DecodeError",
    "Digest",
    "Egress",
    "EgressDenied",
    "Endpoint",
    "EndpointStats",
    "Endpoints",
    "Env",
    "Events",
    "Fallback",
    "File",
    "Forbidden",
    "Form",
    "Gone",
    "GraphQL",
    "GraphQLBaseClient",
    "GraphQLError",
    "GraphQLOperation",
    "GraphQLResult",
    "Header",
    "Hedge",
    "IncrementalResults",
    "InsecureTLSWarning",
    "Issuer",
    "JSONLines",
    "Key",
    "KeyPool",
    "Learned",
    "LearnedStats",
    "LinkHeader",
    "Mesh",
    "NextUrl",
    "NotFound",
    "OAuth2AuthorizationCode",
    "OAuth2ClientCredentials",
    "OAuth2DeviceCode",
    "OAuth2JWTBearer",
    "OAuth2RefreshToken",
    "OAuth2TokenExchange",
    "Offset",
    "Option",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "PageNumber",
    "Pages",
    "Path",
    "PaymentRequired",
    "ProtocolError",
    "Query",
    "QueueFull",
    "RPCError",
    "RateExceeded",
    "RateLimit",
    "RateLimited",
    "Redis",
    "RedisStore",
    "RejectedError",
    "Request",
    "RequestTimeout",
    "Response",
    "Retry",
    "SQLiteStore",
    "SchemaError",
    "ServerError",
    "ServerSentEvent",
    "SocketClosed",
    "Stats",
    "StatusError",
    "Stream",
    "StreamedResponse",
    "Subscription",
    "TLSError",
    "Timeout",
    "Together",
    "TransportError",
    "Unauthorized",
    "UnprocessableEntity",
    "Upload",
    "WebSocket",
    "deadline",
    "delete",
    "get",
    "inbound",
    "operation",
    "patch",
    "post",
    "put",
    "websocket",
]

# The same as above: module -> names.
_HOMES = {
    "calls.inbound": "inbound",
    "client.client": "Client",
    "client.stats": "EndpointStats LearnedStats Stats",
    "credentials": (
        "ApiKey AWSSigV4 Basic Bearer Digest Env File Issuer Key KeyPool "
        "OAuth2AuthorizationCode OAuth2ClientCredentials OAuth2DeviceCode OAuth2JWTBearer "
        "OAuth2RefreshToken OAuth2TokenExchange Together"
    ),
    "declared.api": (
        "API Body Cookie Form Header Option Path Query Upload delete get operation patch post put websocket"
    ),
    "errors": (
        "AsyncAPIError AuthError BadRequest BudgetSpent CircuitOpen ClientError ConfigError "
        "Conflict ConnectError DeadlineExceeded DecodeError EgressDenied Forbidden Gone GraphQLError "
        "InsecureTLSWarning NotFound OutcomeUnknown PaymentRequired ProtocolError QueueFull "
        "RateExceeded RateLimited RejectedError RequestTimeout RPCError SchemaError ServerError SocketClosed "
        "StatusError TLSError TransportError Unauthorized UnprocessableEntity"
    ),
    "layers.deadline": "deadline",
    "messages.call": "Attempt",
    "messages.request": "Request",
    "messages.response": "Outcome Response",
    "pagination.pages": "Pages",
    "sansio.http.pages": "Page",
    "sansio.http.sse": "ServerSentEvent",
    "settings": (
        "HTTP2 TLS Adaptive Breaker Budget Cache CostBudget Cursor Egress Endpoint Endpoints Fallback Hedge "
        "Learned LinkHeader Mesh NextUrl Offset PageNumber RateLimit Redis Retry Timeout"
    ),
    "speakers.websocket": "WebSocket",
    "speakers.graphql": "GraphQL",
    "speakers.graphql_batch": "GraphQLOperation",
    "speakers.graphql_codegen": "GraphQLBaseClient",
    "speakers.graphql_incremental": "IncrementalResults",
    "speakers.graphql_results": "GraphQLResult",
    "speakers.graphql_subscription": "Subscription",
    "stores.redis_tokens": "RedisStore",
    "stores.sqlite": "SQLiteStore",
    "streaming.events": "Events",
    "streaming.response": "StreamedResponse",
    "streaming.stream": "JSONLines Stream",
    "watch.alert": "Alert",
}
_ROOMS = (
    "calls", "client", "clock", "config", "credentials", "declared", "errors", "fanout", "layers", "messages",
    "options", "pagination", "redact", "sansio", "scheduling", "settings", "sharing", "stores", "streaming",
    "transports", "types", "watch",
)  # fmt: skip

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_face(__name__, _HOMES, rooms=_ROOMS)
