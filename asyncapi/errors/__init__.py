"""Every error that this package raises.

    AsyncAPIError
      TransportError            no usable response
        ConnectError            DNS, refused, unreachable: the request was never sent
          TLSError              the TLS handshake or the certificate check failed
        ProtocolError           the server broke HTTP or closed the connection, or the body is larger than max_body
        RequestTimeout          time ran out (also a builtin TimeoutError); .phase says where
        SocketClosed            a WebSocket ended otherwise than by a normal close: .code .reason
        OutcomeUnknown          a call with an idempotency key may have been carried out or not
      RPCError                  an RPC ended with another status than OK: .code .details .metadata .status_details;
                                where it is the transport that failed, it is also the TransportError of that failure
      StatusError               a 4xx or 5xx: .response .status .retry_after .request_id .body
        ClientError             4xx: BadRequest Unauthorized PaymentRequired Forbidden NotFound Conflict Gone
                                UnprocessableEntity RateLimited
        ServerError             5xx
      GraphQLError              a GraphQL response with errors: .errors .data .extensions .status
      DecodeError               the body isn't valid JSON, is empty, or isn't in its charset; .body has the raw bytes
        SchemaError             valid JSON that doesn't match the model; pydantic's error is the __cause__
      AuthError                 a credential has no token or value
      RejectedError             the client refused to send
        CircuitOpen  DeadlineExceeded  QueueFull  BudgetSpent
        RateExceeded            a 429 made by the client: also a RateLimited
        EgressDenied            `egress=` doesn't allow the host or its address
      ConfigError               wrong use of this package (also a ValueError); nothing was sent

Every error has `.request` (secrets masked), `.attempts` (a tuple of `Attempt` records), `.phase` (where the time went,
if time ran out) and `.held_by` (the setting of the client that refused or ended the call, if one did). Every error can
be pickled (secrets masked), and its text is one line: control characters in what a server sent are shown as escapes
(`redact.one_line`).
"""

from __future__ import annotations

from asyncapi.errors.protocols import (
    GraphQLError,
    RPCError,
    SocketClosed,
)
from asyncapi.errors.tree import (
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
    InsecureTLSWarning,
    NotFound,
    OutcomeUnknown,
    PaymentRequired,
    Phase,
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
    error_text,
    final_error,
    masked,
    status_class,
    status_error,
)

__all__ = [
    "AsyncAPIError", "AuthError", "BadRequest", "BudgetSpent", "CircuitOpen", "ClientError", "ConfigError", "Conflict",
    "ConnectError", "DeadlineExceeded", "DecodeError", "EgressDenied", "Forbidden", "Gone", "GraphQLError",
    "InsecureTLSWarning", "NotFound", "OutcomeUnknown", "PaymentRequired", "Phase", "ProtocolError", "QueueFull",
    "RPCError", "RateExceeded", "RateLimited", "RejectedError", "RequestTimeout", "SchemaError", "ServerError",
    "SocketClosed", "StatusError", "TLSError", "TransportError", "Unauthorized", "UnprocessableEntity", "error_text",
    "final_error", "masked", "status_class", "status_error",
]  # fmt: skip

for _name in __all__:  # tracebacks and pickles name them as users import them
    if isinstance(_one := globals()[_name], type):
        _one.__module__ = __name__
