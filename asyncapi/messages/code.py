"""The status codes of gRPC, which Connect and google.rpc share."""

from __future__ import annotations

from enum import Enum, IntEnum


class Code(IntEnum):
    """How an RPC ended (gRPC, "Status codes and their use"; google.rpc.Code).

    A code equals its number, and the `grpc.StatusCode` of the same name.
    """

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Enum) and type(other).__name__ == "StatusCode":  # grpc's: its value is (0, "ok")
            return bool(other.name == self.name)
        return int.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__
