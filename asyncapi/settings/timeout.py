"""The settings of time."""

from dataclasses import KW_ONLY

from asyncapi.settings.base import Seconds, settings


@settings
class Timeout:
    """How long things may take, in seconds; None is no limit.

    Attributes:
        total: The whole call: queueing, every attempt, backoff and the body.
        connect: A new connection: name, TCP, TLS, proxy.
        attempt: One attempt, from its start to the end of its body.
        read: The silence between two pieces of a streamed body. Of a stream, `attempt` ends with the headers, and so
            does `total`, unless it was given to that very call.
    """

    total: Seconds | None = 30.0
    _: KW_ONLY
    connect: Seconds | None = 5.0
    attempt: Seconds | None = None
    read: Seconds | None = 60.0
