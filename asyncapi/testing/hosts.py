"""Which requests are meant by a list of hosts, as mocks and cassettes take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.testing import matching
from asyncapi.testing.mock_calls import MockCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncapi.messages.request import Request

    Host = str | Callable[[Request], object]

_LOOPBACK = ("localhost", "127.*", "[::1]", "*.localhost")


def hosts_are(hosts: Iterable[Host] | Host) -> Callable[[Request], bool]:
    """Return what tells whether a request is meant.

    Args:
        hosts: Hosts, perhaps with a port; `*` stands for any text, and "loopback" for this machine. Or functions of a
            request.

    Raises:
        ConfigError: One is no host.
    """
    each = [hosts] if isinstance(hosts, str) or callable(hosts) else list(hosts)
    functions = [host for host in each if callable(host)]
    names = [name for host in each if isinstance(host, str) for name in (_LOOPBACK if host == "loopback" else [host])]
    conditions = [matching.host_is(name) for name in names]

    def meant(request: Request) -> bool:
        if any(function(request) for function in functions):
            return True
        call = MockCall(request)
        return any(not condition.difference(call) for condition in conditions)

    return meant
