"""The ways to declare a route of a mock: by HTTP method, as a WebSocket, a GraphQL operation or an RPC."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from asyncapi.testing import matching
from asyncapi.testing.mock_route import Route, conditions_of
from asyncapi.testing.nearest import named
from asyncapi.testing.rpc_route import RPCRoute
from asyncapi.testing.script import Script
from asyncapi.testing.traces import is_ours, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from re import Pattern

    from asyncapi.testing.matching import Condition
    from asyncapi.testing.mocked_options import RouteOptions

    URLPattern = str | Pattern[str] | None

S = TypeVar("S", bound=Script)


class RouteMethods:
    """A base of `APIMock`: declares routes.

    Attributes:
        required: Whether the test fails where a route that is declared from now on is never called.
    """

    required: bool
    _routes: list[Script]

    def route(
        self,
        method: str | None = None,
        url: URLPattern = None,
        *,
        required: bool | None = None,
        **asked: Unpack[RouteOptions],
    ) -> Route:
        """Declare a route; without a `reply`, it replies with an empty 200.

        Args:
            method: An HTTP method; None for any.
            url: A path, for any host; a whole URL; or a `re.Pattern` that is searched for in the URL. `{name}` stands
                for a segment of the path, `{name:path}` for any number of them. A query that is written must be there.
                None for any URL.
            required: Whether the test fails where it is never called; by default, where the test itself declares it.
            **asked: What else a request must have: see `RouteOptions`.

        Raises:
            ConfigError: The URL or an option makes no sense.
            TypeError: There is no such option.
        """
        conditions = [] if method is None else [matching.method_is(method)]
        return self._declared(Route, method and method.upper(), url, conditions, asked, required)

    def get(self, url: URLPattern = None, *, required: bool | None = None, **asked: Unpack[RouteOptions]) -> Route:
        """Declare a route for GET; see `route`."""
        return self.route("GET", url, required=required, **asked)

    def post(self, url: URLPattern = None, *, required: bool | None = None, **asked: Unpack[RouteOptions]) -> Route:
        """Declare a route for POST; see `route`."""
        return self.route("POST", url, required=required, **asked)

    def put(self, url: URLPattern = None, *, required: bool | None = None, **asked: Unpack[RouteOptions]) -> Route:
        """Declare a route for PUT; see `route`."""
        return self.route("PUT", url, required=required, **asked)

    def patch(self, url: URLPattern = None, *, required: bool | None = None, **asked: Unpack[RouteOptions]) -> Route:
        """Declare a route for PATCH; see `route`."""
        return self.route("PATCH", url, required=required, **asked)

    def delete(self, url: URLPattern = None, *, required: bool | None = None, **asked: Unpack[RouteOptions]) -> Route:
        """Declare a route for DELETE; see `route`."""
        return self.route("DELETE", url, required=required, **asked)

    def head(self, url: URLPattern = None, *, required: bool | None = None, **asked: Unpack[RouteOptions]) -> Route:
        """Declare a route for HEAD; see `route`."""
        return self.route("HEAD", url, required=required, **asked)

    def options(self, url: URLPattern = None, *, required: bool | None = None, **asked: Unpack[RouteOptions]) -> Route:
        """Declare a route for OPTIONS; see `route`."""
        return self.route("OPTIONS", url, required=required, **asked)

    def websocket(
        self, url: URLPattern = None, *, required: bool | None = None, **asked: Unpack[RouteOptions]
    ) -> Route:
        """Declare a route for WebSockets; see `route`. `accept` says what the server sends, `reply` refuses."""
        return self._declared(Route, "WebSocket", url, [], asked, required, handshake=True)

    def graphql(
        self,
        operation: str | None = None,
        url: URLPattern = None,
        *,
        variables: Mapping[str, Any] | None = None,
        required: bool | None = None,
        **asked: Unpack[RouteOptions],
    ) -> Route:
        """Declare a route for a GraphQL operation, sent by POST, by GET, in a batch or with files.

        Args:
            operation: The name of the operation; None for any.
            url: As in `route`.
            variables: Variables that must be there, the least of each object.
            required: As in `route`.
            **asked: As in `route`.
        """
        conditions = [matching.graphql_is(operation, variables)]
        return self._declared(Route, f"GraphQL {operation or 'any operation'} at", url, conditions, asked, required)

    def grpc(
        self,
        method: str | Pattern[str],
        *,
        request: type[Any] | None = None,
        message: Any = None,
        required: bool | None = None,
        **asked: Unpack[RouteOptions],
    ) -> RPCRoute:
        """Declare a route for a method over gRPC, grpc-web or Connect.

        Args:
            method: The method, as in "/helloworld.Greeter/SayHello".
            request: The class of its requests; functions that respond get messages of it instead of bytes.
            message: The request, as a protobuf message; or a function of it (of its bytes, without `request`).
            required: As in `route`.
            **asked: As in `route`; header names are those of metadata.
        """
        conditions = RPCRoute.asked(method, request, message)
        route = self._declared(RPCRoute, "RPC", None, conditions, asked, required)
        route.name, route.kind = f"RPC {method if isinstance(method, str) else matching.shown(method)}", request
        return route

    def _declared(  # noqa: PLR0917 - each given by position, next to each other
        self, kind: type[S], method: str | None, url: URLPattern, conditions: list[Condition], asked: RouteOptions,
        required: bool | None, *, handshake: bool = False,
    ) -> S:  # fmt: skip
        more = conditions_of(asked)
        shown = [each for each in conditions if each.part != "method"] + more
        every = [*conditions, *([] if url is None else matching.url_is(url)), *more]
        must = self.required if required is None else required
        route = kind(named(method, url, shown), every, _caller(), required=must, handshake=handshake)
        self._routes.append(route)
        return route


def _caller() -> str:
    """Where the test declares a route: the first frame outside of this package."""
    frame = sys._getframe(1)  # noqa: SLF001 - as `inspect.stack` does, without reading sources
    while frame.f_back is not None and is_ours(frame):
        frame = frame.f_back
    return place_of(frame)
