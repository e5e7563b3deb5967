"""The settings of time limits."""

from dataclasses import KW_ONLY

from asyncapi.settings.base import Seconds, settings


@settings
class Timeout:
    """Limit the time of a call and its parts, in seconds; None is no limit.

    Attributes:
        total: The whole call: waiting in queues, every attempt, backoff and reading the body; 30 by default.
        connect: Making a new connection: DNS, TCP, TLS, proxy; 5 by default.
        attempt: One attempt, from its start to the end of its body; no limit by default.
        read: The silence between two pieces of a streamed body; 60 by default. For a stream, `attempt` and `total` end
            with the headers, unless `total` was given for that very call.
    """

    total: Seconds | None = 30.0
    _: KW_ONLY
    connect: Seconds | None = 5.0
    attempt: Seconds | None = None
    read: Seconds | None = 60.0
