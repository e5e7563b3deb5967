"""The options of an RPC: those of grpc.aio's calls, and those of a call of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from asyncapi.errors import ConfigError
from asyncapi.options import unknown_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asyncapi.credentials import Credential
    from asyncapi.settings import Retry, Timeout
    from asyncapi.types import Unset


class RPCOptions(TypedDict, total=False):
    """What one RPC takes."""

    timeout: Timeout | float | Unset | None
    """A `Timeout`, or seconds in all, instead of the client's; None for no limit. For a call that streams, the client's
    own `total` and `attempt` don't hold: what is given here does."""
    metadata: Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]] | None
    """Sent before the messages: (name, value) pairs or a mapping; bytes for names in -bin."""
    compression: Any
    """How the messages that are sent are compressed, instead of the channel's: "gzip", "deflate", a
    `grpc.Compression`; None for not at all."""
    credentials: None
    """Not taken: a credential is the client's, or the call's `auth=`."""
    wait_for_ready: bool | None
    """Not taken as True: `retry=` and `timeout=` say how long a call waits for its server."""
    retry: Retry | int | Unset | None
    """A `Retry`, or the attempts in all, instead of the client's; None for a single attempt."""
    idempotent: bool | None
    """Whether calling it twice does its work once; by default what the method's `idempotency_level` says."""
    get: bool | None
    """Whether a unary call of Connect is sent as a GET, which caches may keep; by default where the method's
    `idempotency_level` is NO_SIDE_EFFECTS. True says that it has none, so that it is safe to send again, too."""
    idempotency_key: str | bool | None
    """True makes one, text is sent as it is: the call becomes safe to send again."""
    auth: Credential | Unset | None
    """A credential instead of the client's; None for a call without one."""
    route: str | None
    """Its name in metrics; by default "/package.Service/Method"."""
    wait: bool | float | Unset
    """Whether, or for how many seconds at the most, to wait in a queue for a place or a token."""
    priority: int | None
    """The higher goes first in every queue; 0 is usual."""
    tenant: str | None
    """On whose behalf: tenants of the same priority take turns."""


RPC: frozenset[str] = RPCOptions.__optional_keys__


def check(options: Mapping[str, Any]) -> None:
    """Refuse what an RPC does not take.

    Raises:
        TypeError: There is no such option.
        ConfigError: It is one of grpc.aio's that has another name here.
    """
    if not options.keys() <= RPC:
        raise unknown_option("an RPC", options, RPC)
    if options.get("credentials") is not None:
        raise ConfigError("credentials=: say auth= on the client or on the call (Bearer(...), ApiKey(...) ...)")
    if options.get("wait_for_ready"):
        raise ConfigError("wait_for_ready=True: say retry=Retry(...) and timeout=: they bound how long a call waits")
