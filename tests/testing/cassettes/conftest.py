"""An API on a real socket, with what cassettes meet: failures, pages, streams, sockets, uploads, tokens."""

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp import web

from asyncapi.testing.pytest_plugin import api_cassette, api_clock, api_mock, cassette_config

__all__ = ["api_cassette", "api_clock", "api_mock", "cassette_config"]


class API:
    def __init__(self):
        self.seen = []
        self.failures = 0
        self.url = ""
        self.over = asyncio.Event()

    @property
    def routes(self):
        return [
            web.get("/users/{id}", self.user), web.post("/echo", self.echo), web.put("/echo", self.echo),
            web.get("/echo", self.echo), web.get("/text", self.text), web.get("/events", self.events),
            web.get("/broken", self.broken), web.get("/ws", self.ws), web.post("/token", self.token),
            web.get("/login", self.login), web.get("/here", self.here), web.get("/bytes", self.bytes),
            web.get("/slow", self.slow), web.get("/range", self.range), web.post("/early", self.early),
            web.post("/graphql", self.graphql), web.post("/graphql/events", self.graphql_events),
            web.get("/pages", self.pages),
        ]  # fmt: skip

    async def user(self, request):
        if self.failures:
            self.failures -= 1
            return web.Response(status=503, headers={"Retry-After": "0"})
        return web.json_response({"id": int(request.match_info["id"]), "number": len(self.seen)})

    async def echo(self, request):
        body = await request.text()
        return web.json_response({"headers": dict(request.headers), "url": str(request.rel_url), "body": body})

    async def text(self, request):
        response = web.Response(text="a line\nanother line\n" * 100)
        response.enable_compression()
        return response

    async def events(self, request):
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for number in range(3):
            await stream.write(f'data: {{"n": {number}}}\n\n'.encode())
        return stream

    async def broken(self, request):
        stream = web.StreamResponse(headers={"Content-Length": "100"})
        await stream.prepare(request)
        await stream.write(b"x" * 10)
        request.transport.close()
        return stream

    async def ws(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await (socket.send_str if isinstance(message.data, str) else socket.send_bytes)(message.data)
            if message.data == "bye":
                await socket.close(code=1000, message=b"so long")
        return socket

    async def token(self, request):
        form = dict(await request.post())
        return web.json_response({"access_token": f"real-{form.get('client_secret')}-1", "expires_in": 3600})

    async def login(self, request):
        response = web.Response(status=303, headers={"Location": "/here?token=tok-303-abc"})
        response.set_cookie("sid", "cookie-7f3a9b")
        return response

    async def here(self, request):
        return web.json_response({"cookie": request.cookies.get("sid")})

    async def bytes(self, request):
        return web.Response(body=bytes(range(256)) * 300, content_type="application/octet-stream")

    async def slow(self, request):
        await self.over.wait()
        return web.Response()

    async def range(self, request):
        return web.Response(text=request.headers.get("Range", "all"), status=206)

    async def early(self, request):
        return web.Response(status=413)

    async def graphql(self, request):
        sent = await request.json()
        if "bad" in sent["query"]:
            return web.json_response({"errors": [{"message": "no such field: bad"}]})
        number = sent.get("variables", {}).get("id", 0)
        return web.json_response({"data": {"user": {"name": f"user {number}"}, "number": len(self.seen)}})

    async def graphql_events(self, request):
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for number in (1, 2, 3):
            await stream.write(f'event: next\ndata: {{"data": {{"price": {number}}}}}\n\n'.encode())
        await stream.write(b"event: complete\ndata:\n\n")
        return stream

    async def pages(self, request):
        page = int(request.query.get("page", 1))
        return web.json_response({"items": [[1, 2], [3, 4], [5]][page - 1], "pages": 3})


@pytest.fixture
async def api():
    made = API()

    @web.middleware
    async def note(request, handler):
        made.seen.append(f"{request.method} {request.rel_url}")
        return await handler(request)

    app = web.Application(middlewares=[note])
    app.add_routes(made.routes)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    yield made
    made.over.set()
    await runner.cleanup()


@pytest.fixture
def tape(tmp_path):
    """The path of a cassette, and its text."""
    path = tmp_path / "cassettes" / "it.yaml"
    return SimpleNamespace(path=path, text=lambda: path.read_text(encoding="utf-8"))
