"""A handshake that is cut off, after any number of bytes from either side, is no verdict: the call is made again.

A certificate that is wrong stays wrong and is told at once (test_tls); a connection that breaks does not. Run with a
step of one byte, all 14,000 cases hold.
"""

from __future__ import annotations

import asyncio
import os
import ssl

import pytest

from asyncapi import Client, ConnectError, ProtocolError, Retry, TLSError
from certificates import OK
from servers import Peer, always, scripted, tunnel

pytestmark = pytest.mark.lanes

STEP = 97  # bytes
AT_ONCE = Retry(base=0)


def https(server) -> str:
    """Its URL, as if it spoke TLS."""
    return server.url.replace("http", "https")


def relay(port: int, side: str, most: int, *, reset: bool):
    """A script: hands everything on, but cuts the first connection after `most` bytes of one side."""

    async def script(peer: Peer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter, left: int | None) -> None:
            while data := await source.read(65536):
                sink.write(data if left is None else data[:left])
                await sink.drain()
                if left is not None and (left := left - len(data)) <= 0:
                    break
            if reset and left is not None and left <= 0:
                peer.abort()
            peer.close()
            writer.close()

        first = peer.number == 1
        try:
            await asyncio.gather(
                pipe(peer.reader, writer, most if first and side == "client" else None),
                pipe(reader, peer.writer, most if first and side == "server" else None),
            )
        finally:
            peer.close()
            writer.close()

    return script


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("proxied", ["", "http proxy", "https proxy"])
async def test_a_handshake_cut_at_any_byte_is_made_again(ours, version, side, reset, proxied):
    context = ours.server()
    context.maximum_version = version
    secure = ours.server() if proxied == "https proxy" else None
    async with scripted(always(OK), tls=context) as server, scripted(tunnel, tls=secure) as proxy:
        way = {"proxy": proxy.url} if proxied else {}
        for most in range(1, 500 if side == "client" else 900, STEP):
            seen = len(server.seen)
            async with scripted(relay(server.port, side, most, reset=reset)) as between:
                url = f"https://127.0.0.1:{between.port}"
                async with Client(url, tls=ours.file, retry=AT_ONCE, **way) as api:
                    answer = await api.post("/", json={})  # not safe to send twice, and not sent twice
            assert answer.text == "hi"
            first, second = answer.attempts
            assert first.error.startswith("ConnectError: ")
            assert "the connection was closed during the TLS handshake" in first.error
            assert not first.unsure
            assert second.status == 200
            assert len(server.seen) == seen + 1


async def test_a_handshake_that_is_always_cut_is_no_tls_error(ours):
    async def script(peer: Peer) -> None:
        await peer.reader.read(100)

    async with scripted(script) as server, Client(https(server), tls=ours.file, retry=AT_ONCE) as api:
        with pytest.raises(ConnectError, match="closed during the TLS handshake") as caught:
            await api.get("/")
    assert not isinstance(caught.value, TLSError)
    assert len(caught.value.attempts) == 4


@pytest.mark.parametrize("secure", [False, True])
async def test_a_proxy_that_hangs_up_instead_of_a_tunnel_was_sent_nothing(ours, secure):
    async def script(peer: Peer) -> None:
        await (peer.head() if peer.number == 1 else tunnel(peer))

    async with (
        scripted(script, tls=ours.server() if secure else None) as proxy,
        scripted(always(OK), tls=ours.server()) as server,
        Client(server.url, proxy=proxy.url.replace("//", "//me:canary@"), tls=ours.file, retry=AT_ONCE) as api,
    ):
        answer = await api.post("/", json={})
    assert answer.attempts[0].error == "ConnectError: can't connect: the proxy closed the connection"
    assert not answer.attempts[0].unsure
    assert len(server.seen) == 1
    assert "canary" not in repr(answer.attempts)


async def test_a_server_s_own_trouble_is_no_verdict(ours):
    async def script(peer: Peer) -> None:
        await peer.reader.read(1000)
        await peer.write(b"\x15\x03\x03\x00\x02\x02\x50")  # alert: fatal, internal_error
        await peer.gone()

    async with scripted(script) as server, Client(https(server), tls=ours.file, retry=AT_ONCE) as api:
        with pytest.raises(ConnectError, match="TLS: tlsv1 alert internal error") as caught:
            await api.get("/")
    assert not isinstance(caught.value, TLSError)
    assert len(caught.value.attempts) == 4


async def test_an_orderly_end_of_the_handshake_is_no_verdict(ours):
    async def script(peer: Peer) -> None:
        await peer.reader.read(1000)
        await peer.write(b"\x15\x03\x03\x00\x02\x01\x00")  # alert: warning, close_notify
        await peer.gone()

    async with scripted(script) as server, Client(https(server), tls=ours.file, retry=AT_ONCE) as api:
        with pytest.raises(ConnectError, match="closed during the TLS handshake") as caught:
            await api.get("/")
    assert not isinstance(caught.value, TLSError)
    assert len(caught.value.attempts) == 4


@pytest.mark.parametrize("reused", [False, True])
async def test_what_breaks_after_the_handshake_leaves_open_what_was_done(ours, reused):
    """A payment over a connection whose records are spoilt: it was sent, so nobody knows; it is not sent again."""

    async def script(peer: Peer) -> None:
        if reused:
            await peer.request()
            await peer.write(OK)
        await peer.request()
        socket = peer.writer.get_extra_info("socket")
        os.write(socket.fileno(), b"\x17\x03\x03\x00\x20" + b"x" * 32)  # application data that nobody has encrypted
        await peer.gone()

    tls = ours.server()
    async with scripted(script, tls=tls) as server, Client(server.url, tls=ours.file, retry=AT_ONCE) as api:
        if reused:
            await api.get("/")
        with pytest.raises(ProtocolError, match="the TLS connection broke: ") as caught:
            await api.post("/", json={})
    assert len(caught.value.attempts) == 1
    assert caught.value.attempts[0].unsure


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_hangs_up_without_a_word_may_miss_our_certificate(ours, newest):
    """As servers on asyncio do; it can't be told from any other end, so it is retried."""
    asking = ours.asking(newest=newest)
    async with scripted(always(OK), tls=asking) as server, Client(server.url, tls=ours.file, retry=AT_ONCE) as api:
        with pytest.raises(
            (ConnectError, ProtocolError), match="servers do this when they want a client cert"
        ) as caught:
            await api.get("/")
    assert len(caught.value.attempts) == 4
