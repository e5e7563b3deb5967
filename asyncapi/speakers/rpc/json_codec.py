"""Write messages as JSON: protobuf's mapping where a stub's messages are protobuf's, else plain data.

A stub tells its messages by the functions that serialize them, `Ask.SerializeToString` and `Reply.FromString`: the
class of the response is what the latter belongs to, and the request is a message itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

_UNKNOWN = "codec='json': the class of the response is not known: stubs of protobuf say it, by Reply.FromString"


def serializers(
    serialize: Callable[[Any], bytes] | None, deserialize: Callable[[bytes], Any] | None
) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """Return what writes requests and reads responses as JSON.

    Args:
        serialize: The stub's; None for plain data (dict, list, a pydantic model).
        deserialize: The stub's; None for plain data.

    Raises:
        ConfigError: The class of the response can't be told.
    """
    if deserialize is None:
        return (_plain if serialize is None else _written), json.loads
    kind = getattr(deserialize, "__self__", None)
    if not isinstance(kind, type) or not hasattr(kind, "DESCRIPTOR"):
        raise ConfigError(_UNKNOWN)

    def read(data: bytes) -> Any:
        from google.protobuf.json_format import Parse  # noqa: PLC0415 - the user's package, as the stub is

        return Parse(data, kind(), ignore_unknown_fields=True)  # as Connect's servers and clients do

    return (_plain if serialize is None else _written), read


def _written(message: Any) -> bytes:
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 - as above

    return _compact(MessageToDict(message))


def _plain(message: Any) -> bytes:
    dump = getattr(message, "model_dump", None)
    return _compact(message if dump is None else dump(mode="json"))


def _compact(data: Any) -> bytes:
    """Write JSON in one form: the same message gives the same bytes, and so the same URL of a GET."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
