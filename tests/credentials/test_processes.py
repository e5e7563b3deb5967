"""Programs that share a token file: one renews, the others take what it finds; no refresh token is used twice."""

from __future__ import annotations

import asyncio
import itertools
import stat
import sys

import pytest
from aiohttp import web

from programs import on_lane
from redis_server import redis_server
from servers import application

PROGRAM = """
import asyncio, sys
from asyncapi import Client, OAuth2RefreshToken
from asyncapi.stores import FileStore, RedisStore

async def main(url, path, dpop):
    store = RedisStore(path, key="A" * 43 + "=") if "://" in path else FileStore(path)
    auth = OAuth2RefreshToken(url + "/token", "tool", refresh_token="first", store=store, dpop=dpop == "dpop")
    async with Client(url, auth=auth, retry=None) as api:
        tokens = set()
        while len(tokens) < 3:  # however long that takes
            tokens |= {answer.text for answer in await api.gather(["/me"] * 5)}
            await asyncio.sleep(0.01)

asyncio.run(main(*sys.argv[1:]))
"""


class Rotating:
    """A server that gives out short tokens, and takes a refresh token that comes twice for a theft.

    It is generous with tokens that have ended on their way: how fast this machine is makes no difference.
    """

    def __init__(self) -> None:
        self.count = itertools.count()
        self.good = {"first"}
        self.stolen: list[str] = []
        self.given: set[str] = set()
        self.refused = 0

    async def token(self, request):
        given = (await request.post())["refresh_token"]
        if given not in self.good:
            self.stolen.append(given)
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.good.remove(given)
        await asyncio.sleep(0.05)
        number = next(self.count)
        self.good.add(f"r{number}")
        self.given.add(f"t{number}")
        kind = "DPoP" if "DPoP" in request.headers else "Bearer"
        return web.json_response(
            {"access_token": f"t{number}", "refresh_token": f"r{number}", "expires_in": 1, "token_type": kind}
        )

    async def me(self, request):
        token = request.headers.get("Authorization", " ").split(" ")[1]
        if token not in self.given:
            self.refused += 1
            return web.Response(status=401)
        return web.Response(text=token)


@pytest.mark.lanes
@pytest.mark.parametrize("kind", ["bearer", "dpop"])
async def test_four_programs_share_one_file(kind, tmp_path, lane):
    pytest.importorskip("cryptography")
    pytest.importorskip("joserfc")
    server = Rotating()
    path = tmp_path / "shared" / "tokens"
    await four_programs(server, lane, str(path), kind)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"tokens": 0o600, "tokens.key": 0o600, "tokens.lock": 0o600}


@pytest.mark.lanes
async def test_four_programs_share_one_redis(lane):
    pytest.importorskip("cryptography")
    pytest.importorskip("redis")
    with redis_server() as redis:
        await four_programs(Rotating(), lane, redis.url, "bearer")


async def four_programs(server, lane, place, kind):
    """Run four programs with tokens in one place; no refresh token is used twice, and no call is refused."""
    async with application(web.post("/token", server.token), web.get("/me", server.me)) as url:
        programs = [
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                on_lane(lane, PROGRAM),
                url,
                place,
                kind,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            for _ in range(4)
        ]
        ended = [await program.communicate() for program in programs]
    assert [errors.decode() for _, errors in ended] == [""] * 4
    assert (server.stolen, server.refused) == ([], 0)
    assert next(server.count) >= 3
