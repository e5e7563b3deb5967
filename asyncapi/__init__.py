"""asyncapi: call other people's APIs concurrently, resiliently, fast.

from asyncapi import Client

async with Client("https://api.example.com") as api:
    user = await api.get("/users/1", model=User)
"""

from asyncapi.client import Client
from asyncapi.config import (
    TLS,
    Adaptive,
    Breaker,
    Budget,
    CostBudget,
    Cursor,
    Fallback,
    Hedge,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    RateLimit,
    Retry,
    Timeout,
)
from asyncapi.credentials import ApiKey, Basic, Bearer, Env, File, Issuer, Key, KeyPool, OAuth2ClientCredentials
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
    Forbidden,
    Gone,
    NotFound,
    OutcomeUnknown,
    PaymentRequired,
    ProtocolError,
    QueueFull,
    RateExceeded,
    RateLimited,
    RejectedError,
    RequestTimeout,
    SchemaError,
    ServerError,
    StatusError,
    TLSError,
    TransportError,
    Unauthorized,
    UnprocessableEntity,
)
from asyncapi.inbound import inbound
from asyncapi.layers.deadline import deadline
from asyncapi.paginate import Pages
from asyncapi.sansio.pages import Page
from asyncapi.stats import Stats
from asyncapi.types import Attempt, Outcome, Request, Response
from asyncapi.version import VERSION
from asyncapi.watch.alert import Alert

__version__ = VERSION

__all__ = [
    "TLS",
    "Adaptive",
    "Alert",
    "ApiKey",
    "AsyncAPIError",
    "Attempt",
    "AuthError",
    "BadRequest",
    "Basic",
    "Bearer",
    "Breaker",
    "Budget",
    "BudgetSpent",
    "CircuitOpen",
    "Client",
    "ClientError",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "CostBudget",
    "Cursor",
    "DeadlineExceeded",
    "DecodeError",
    "Env",
    "Fallback",
    "File",
    "Forbidden",
    "Gone",
    "Hedge",
    "Issuer",
    "Key",
    "KeyPool",
    "LinkHeader",
    "NextUrl",
    "NotFound",
    "OAuth2ClientCredentials",
    "Offset",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "PageNumber",
    "Pages",
    "PaymentRequired",
    "ProtocolError",
    "QueueFull",
    "RateExceeded",
    "RateLimit",
    "RateLimited",
    "RejectedError",
    "Request",
    "RequestTimeout",
    "Response",
    "Retry",
    "SchemaError",
    "ServerError",
    "Stats",
    "StatusError",
    "TLSError",
    "Timeout",
    "TransportError",
    "Unauthorized",
    "UnprocessableEntity",
    "deadline",
    "inbound",
]
