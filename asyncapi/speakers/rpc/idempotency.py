"""Ask protobuf's descriptors what calling a method twice does (`option idempotency_level` of a method)."""

from __future__ import annotations

import sys
from typing import Any

from asyncapi.sansio.rpc.protocol import Method

_NO_SIDE_EFFECTS, _IDEMPOTENT = 1, 2  # google.protobuf.MethodOptions.IdempotencyLevel


def method_of(path: str, *, streams_in: bool, streams_out: bool) -> Method:
    """Describe a method; protobuf is asked only where the program has loaded it, as its stubs have."""
    level = _level(path)
    return Method(
        path,
        streams_in,
        streams_out,
        idempotent=True if level in {_NO_SIDE_EFFECTS, _IDEMPOTENT} else None,
        safe=level == _NO_SIDE_EFFECTS,
    )


def is_idempotent(path: str, message: Any = None) -> bool | None:
    """Whether calling a method twice does its work once, as its `idempotency_level` says; None where it doesn't.

    Args:
        path: "/package.Service/Method".
        message: A request message, whose descriptors are asked; by default those that all stubs share.
    """
    return True if _level(path, message) in {_NO_SIDE_EFFECTS, _IDEMPOTENT} else None


def _level(path: str, message: Any = None) -> int:
    pools: Any = sys.modules.get("google.protobuf.descriptor_pool")
    service, _, name = path.strip("/").partition("/")
    own = getattr(getattr(getattr(message, "DESCRIPTOR", None), "file", None), "pool", None)
    if pools is None and own is None:
        return 0
    try:
        described = (own or pools.Default()).FindServiceByName(service).methods_by_name[name]
    except KeyError:  # of another pool, or of no descriptor at all
        return 0
    options = described.GetOptions()
    return int(options.idempotency_level) if options.HasField("idempotency_level") else 0
