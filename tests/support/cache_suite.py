"""Play tests of the public HTTP cache test suite, and our own of the same form, against a Client.

A test is data: a list of requests, each with what the origin replies and what has to be seen. The fields are those of the
suite's schema (github.com/http-tests/cache-tests). What is here follows the behaviour of its server and of its client
where they run a browser's cache:

    the origin      replies to request N (header Req-Num) as entry N says, and counts what reaches it
    the player      sends the requests one after the other, and compares what came back and what the origin saw
    pause_after     three seconds, which pass at once: the clock is turned on
    a failure       is one of "Setup", where the test could not be tried, or of "Assertion"

The client follows no redirects: the suite wants to see them.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from copy import deepcopy
from email.utils import formatdate
from http import HTTPStatus
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from multidict import CIMultiDict

from asyncapi.clock import SystemClock
from asyncapi.errors import AsyncAPIError, ProtocolError, TransportError
from asyncapi.messages.response import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from asyncapi import Client
    from asyncapi.messages.request import Request

    Test = dict[str, Any]

PAUSE = 3.0
WITHOUT_BODY = {204, 304}
DATES = {"date", "expires", "last-modified", "if-modified-since", "if-unmodified-since"}
PLACES = {"location", "content-location"}


class TurnedClock(SystemClock):
    """The machine's clock, whose date can be turned on: nothing waits."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0
        real = self.wall
        self.wall = lambda: real() + self.ahead

    async def sleep(self, seconds: float) -> None:
        self.ahead += seconds


def date(now: float, form: str = "") -> str:
    """An HTTP date."""
    return strftime("%A, %d-%b-%y %H:%M:%S GMT", gmtime(now)) if form == "rfc850" else formatdate(int(now), usegmt=True)


def filled(field: Sequence[Any], now: float, base: str, wanted: Test) -> tuple[str, str]:
    """Write a header of the data as text: a number in a date is seconds from now, a place is below the URL."""
    name, value = field[0], field[1]
    lower = name.lower()
    if lower in DATES and isinstance(value, int):
        value = date(now + value, "rfc850" if lower in wanted.get("rfc850date", ()) else "")
    elif lower in PLACES and wanted.get("magic_locations"):
        value = f"{base}/{value}" if value else base
    return name, str(value)


class Origin:
    """The server of the tests.

    Attributes:
        seen: Number, method, headers of each request that came, and what must arrive of its response, by test.
    """

    def __init__(self, wall: Callable[[], float], sleep: Callable[[float], Any]) -> None:
        self._wall, self._sleep = wall, sleep
        self.tests: dict[str, list[Test]] = {}
        self.seen: dict[str, list[Test]] = {}

    async def respond(
        self, method: str, path: str, headers: CIMultiDict[str]
    ) -> tuple[int, str, list[tuple[str, str]], bytes, list[Any]] | None:
        """Status, reason, headers, body, and interim responses first; None to break the connection off."""
        key = path.split("?", maxsplit=1)[0].split("/")[2]
        requests, seen = self.tests[key], self.seen.setdefault(key, [])
        number = int(headers.get("Req-Num") or len(seen) + 1)
        wanted = requests[number - 1]
        if "response_pause" in wanted:
            await self._sleep(wanted["response_pause"])
        now = self._wall()
        status, reason = wanted.get("response_status", (200, "OK"))
        if wanted.get("expected_type", "").endswith("validated"):
            status, reason = self._validated(requests[number - 2], headers)
        fields = [
            ("Server-Base-Url", path), ("Server-Request-Count", str(len(seen) + 1)),
            ("Client-Request-Count", str(number)), ("Server-Now", str(int(now * 1000))),
        ]  # fmt: skip
        kept: CIMultiDict[str] = CIMultiDict()
        for field in wanted.get("response_headers", ()):
            pair = filled(field, now, path, wanted)
            field[1] = pair[1]  # what the next request's condition is compared with
            fields.append(pair)
            if len(field) < 3 or field[2] is True:
                kept.add(*pair)
        names = {name.lower() for name, _ in fields}
        if "content-type" not in names:
            fields.append(("Content-Type", "text/plain"))
        if "date" not in names:
            fields.append(("Date", date(now)))
        seen.append({"number": number, "method": method, "headers": headers, "kept": kept})
        fields.append(("Request-Numbers", " ".join(str(one["number"]) for one in seen)))
        if wanted.get("disconnect"):
            return None
        body = b"" if status in WITHOUT_BODY else (wanted.get("response_body") or key).encode()
        return status, reason, fields, body, wanted.get("interim_responses", [])

    @staticmethod
    def _validated(before: Test, headers: CIMultiDict[str]) -> tuple[int, str]:
        for validator, condition in (("last-modified", "If-Modified-Since"), ("etag", "If-None-Match")):
            for field in before.get("response_headers", ()):
                if field[0].lower() == validator and headers.get(condition) == field[1]:
                    return 304, "Not Modified"
        return 999, "304 Not Generated"

    async def mocked(self, request: Request) -> Response:
        """The origin as the handler of a MockTransport."""
        found = await self.respond(request.method, request.url.path_qs, CIMultiDict(request.headers))
        if found is None:
            raise ProtocolError("the connection was closed")
        status, _, fields, body, _ = found
        headers = CIMultiDict(fields)
        if "Content-Length" in headers:
            body = body[: int(headers["Content-Length"])]
        return Response(status, headers, b"" if request.method == "HEAD" else body)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve on a port of loopback; gives the base URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (line := await reader.readline()).strip():
                method, path, _ = line.decode().split(" ")
                headers: CIMultiDict[str] = CIMultiDict()
                while field := (await reader.readline()).decode("utf-8", "surrogateescape").rstrip("\r\n"):
                    name, _, value = field.partition(":")
                    headers.add(name, value.strip())
                if "chunked" in headers.get("Transfer-Encoding", ""):
                    while int(size := (await reader.readline()).strip(), 16):
                        await reader.readexactly(int(size, 16) + 2)
                    await reader.readline()
                else:
                    await reader.readexactly(int(headers.get("Content-Length", 0)))
                found = await self.respond(method, path, headers)
                if found is None:
                    break
                writer.write(_bytes(method, *found))
                await writer.drain()
                if any(name.lower() == "transfer-encoding" for name, _ in found[2]):
                    break  # the body ends where the connection does
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def _bytes(method: str, status: int, reason: str, fields: list[tuple[str, str]], body: bytes, interim: Any) -> bytes:
    head = [(HTTPStatus(code).phrase, code, dict(more[0] if more else ())) for code, *more in interim]
    text = "".join(
        f"HTTP/1.1 {code} {phrase}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in more.items()) + "\r\n"
        for phrase, code, more in head
    )
    names = {name.lower() for name, _ in fields}
    if not names & {"content-length", "transfer-encoding"} and status not in WITHOUT_BODY:
        fields = [*fields, ("Content-Length", str(len(body)))]
    text += f"HTTP/1.1 {status} {reason}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    sized = next((int(value) for name, value in fields if name.lower() == "content-length"), len(body))
    return text.encode("utf-8", "surrogateescape") + (b"" if method == "HEAD" else body[:sized])


class Failed(Exception):
    """A test has failed; `kind` is "Setup" or "Assertion"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


def need(holds: object, message: str, *, setup: bool) -> None:
    if not holds:
        raise Failed("Setup" if setup else "Assertion", message)


def is_setup(wanted: Test, member: str) -> bool:
    return wanted.get("setup") is True or member in wanted.get("setup_tests", ())


async def play(test: Test, api: Client, origin: Origin, base: str, pause: Callable[[float], Any]) -> None:
    """Play one test.

    Raises:
        Failed: It has failed.
    """
    key = str(uuid4())
    requests = deepcopy(test["requests"])
    origin.tests[key] = deepcopy(requests)
    responses: list[Response] = []
    for number, wanted in enumerate(requests, 1):
        try:
            response = await _ask(api, wanted, f"{base}/test/{key}", number, test, responses)
        except TransportError as error:  # in place of a response: what fetch() raises then
            last = wanted.get("expected_status", 200) is None and number == len(requests)
            need(last, f"request {number}: {type(error).__name__}", setup=False)
            continue
        responses.append(response)
        _check_response(wanted, number, response, key)
        if "pause_after" in wanted:
            await pause(PAUSE)
    for _ in range(3):  # what is done in the background
        await pause(0.0)
    _check_requests(requests, responses, origin.seen.get(key, []))


async def _ask(api: Client, wanted: Test, url: str, number: int, test: Test, responses: list[Response]) -> Response:
    url += f"/{wanted['filename']}" if "filename" in wanted else ""
    url += f"?{wanted['query_arg']}" if "query_arg" in wanted else ""
    headers: CIMultiDict[str] = CIMultiDict()
    for field in wanted.get("request_headers", ()):
        value = field[1]
        if wanted.get("magic_ims") and isinstance(value, int):
            value = date(int(responses[-1].headers["Server-Now"]) / 1000 + value)
        headers.add(field[0], str(value))
    if wanted.get("cache") == "no-cache" and "Cache-Control" not in headers:
        headers["Cache-Control"] = "max-age=0"  # as fetch() does
    headers.update({"Test-ID": test["id"], "Req-Num": str(number)})
    method, body = wanted.get("request_method", "GET"), wanted.get("request_body")
    return await api.request(method, url, headers=headers, content=body, raise_for_status=False)


def text_of(headers: Any, name: str) -> str | None:
    return ", ".join(headers.getall(name)) if name in headers else None


def _check_response(wanted: Test, number: int, response: Response, key: str) -> None:
    headers = response.headers
    served = headers.get("Request-Numbers", "").split()
    need(len(served) == len(set(served)), "retry", setup=True)
    if (kind := wanted.get("expected_type")) in {"cached", "not_cached"}:
        count = int(headers.get("Server-Request-Count", 0))
        setup = is_setup(wanted, "expected_type")
        if kind == "not_cached":
            need(count == number, f"response {number} comes from the cache", setup=setup)
        elif not (response.status == 304 and not count):
            need(0 < count < number, f"response {number} does not come from the cache", setup=setup)
    status = wanted.get("expected_status", wanted.get("response_status", [200])[0])
    setup = is_setup(wanted, "expected_status") if "expected_status" in wanted else True
    if response.status == 999 and "expected_status" not in wanted and "response_status" not in wanted:
        setup = is_setup(wanted, "expected_type")
    need(status in {None, response.status}, f"response {number}: status {response.status}, not {status}", setup=setup)
    _check_fields(wanted, number, response)
    if wanted.get("check_body") is False:
        return
    setup, text = True, wanted.get("response_body")
    if "expected_response_text" in wanted:
        setup, text = is_setup(wanted, "expected_response_text"), wanted["expected_response_text"]
    elif text is None and (response.status in WITHOUT_BODY or wanted.get("request_method") == "HEAD"):
        return
    elif text is None:
        text = key
    need(text in {None, response.content.decode()}, f"response {number}: body {response.content!r}", setup=setup)


def _check_fields(wanted: Test, number: int, response: Response) -> None:
    headers, setup = response.headers, is_setup(wanted, "expected_response_headers")
    for field in wanted.get("expected_response_headers", ()):
        name = field if isinstance(field, str) else field[0]
        found = text_of(headers, name)
        said = f"response {number}: {name} is {found!r}, not {field}"
        need(found is not None, said, setup=setup)
        assert found is not None
        if isinstance(field, str):
            continue
        if len(field) > 2:
            holds = found == text_of(headers, field[2]) if field[1] == "=" else int(found) > field[2]
        else:
            now, base = int(headers["Server-Now"]) / 1000, headers["Server-Base-Url"]
            holds = found == filled(field, now, base, wanted)[1]
        need(holds, said, setup=setup)
    for field in wanted.get("expected_response_headers_missing", ()):
        name, value = (field, "") if isinstance(field, str) else field
        missing = name not in headers or (value != "" and value not in (text_of(headers, name) or ""))
        need(
            missing, f"response {number}: {field} is there", setup=is_setup(wanted, "expected_response_headers_missing")
        )


def _check_requests(requests: list[Test], responses: list[Response], seen: list[Test]) -> None:
    at = 0
    for number, wanted in enumerate(requests, 1):
        kind, setup = wanted.get("expected_type", ""), is_setup(wanted, "expected_type")
        if kind == "cached":
            continue
        came = seen[at] if at < len(seen) else None
        at += 1
        if came is None:
            needed = kind or wanted.keys() & {"expected_request_headers", "expected_method"}
            need(not needed, f"request {number} was not sent", setup=setup)
            continue
        if kind == "not_cached":
            need(came["number"] == number, f"response {number} comes from the cache", setup=setup)
        if kind.endswith("validated"):
            condition = "If-None-Match" if kind[0] == "e" else "If-Modified-Since"
            need(condition in came["headers"], f"request {number} has no {condition}", setup=setup)
        for field in wanted.get("expected_request_headers", ()):
            name, value = (field, None) if isinstance(field, str) else field
            found, setup = came["headers"].get(name), is_setup(wanted, "expected_request_headers")
            need(found is not None and value in {None, found}, f"request {number}: {name} is {found!r}", setup=setup)
        for field in wanted.get("expected_request_headers_missing", ()):
            name, value = (field, None) if isinstance(field, str) else field
            there = name in came["headers"] and value in {None, came["headers"].get(name)}
            need(not there, f"request {number} has {name}", setup=is_setup(wanted, "expected_request_headers_missing"))
        if number <= len(responses):
            _check_kept(number, came["kept"], responses[number - 1])
        if "expected_method" in wanted:
            need(came["method"] == wanted["expected_method"], f"method {came['method']}", setup=False)


def _check_kept(number: int, kept: CIMultiDict[str], response: Response) -> None:
    for name in {name.lower() for name in kept} - {"date"}:
        found, sent = text_of(response.headers, name), ", ".join(kept.getall(name))
        need(found == sent, f"response {number}: {name} is {found!r}, not {sent!r}", setup=True)


def applies(test: Test) -> bool:
    """Whether it is a test for a private cache."""
    return not (test.get("cdn_only") or test.get("browser_skip"))


async def results(tests: Sequence[Test], api: Client, origin: Origin, base: str, pause: Any) -> dict[str, str]:
    """What became of each test: "" where it passed."""
    found = {}
    for test in tests:
        try:
            await play(test, api, origin, base, pause)
            found[test["id"]] = ""
        except Failed as error:
            found[test["id"]] = str(error)
        except AsyncAPIError as error:
            found[test["id"]] = f"{type(error).__name__}: {error}"
    return found
