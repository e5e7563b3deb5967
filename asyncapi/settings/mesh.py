"""The settings of calls that go through a service mesh."""

from dataclasses import KW_ONLY
from typing import Literal

from asyncapi.settings.base import settings


@settings
class Mesh:
    """Say who retries where a proxy that retries, too, stands between client and server: `Client(mesh=Mesh())`.

    Both at once multiply: four attempts of ours with four of the proxy's each are sixteen at the server.

    Attributes:
        retry: "ours", the default: this client retries, and asks the proxy not to (`x-envoy-max-retries: 0`). Its retry
            budget, breaker and deadline are then the only ones. "mesh": the proxy retries, by its own rules, and this
            client sends again only what did not reach the proxy.
        timeouts: Whether the proxy is told how long we wait, so that it neither gives up earlier nor works on for
            nobody; True by default. It then goes by our limits instead of its route's.
        proxy: Whose headers to send: "envoy" (also Istio and others that are made of it), the default, or "linkerd",
            which heeds them only if it was installed so (linkerd.io, "Per-Request Policy").
    """

    retry: Literal["ours", "mesh"] = "ours"
    _: KW_ONLY
    timeouts: bool = True
    proxy: Literal["envoy", "linkerd"] = "envoy"

    def describe(self) -> str:
        """As `explain()` shows it."""
        who = "this client retries, the mesh does not" if self.retry == "ours" else "the mesh retries, not this client"
        return f"{who}{'; it is told our time limits' if self.timeouts else ''} ({self.proxy})"
