"""Certificates change while they are in use, as mounted secrets do: no call fails, and the next connection shows the new.

Files are made to look as old as they need to be; nothing here waits for them to age.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from pathlib import Path

import pytest

from asyncapi import TLS, Client, ConfigError, TLSError
from asyncapi.transports import tls as transport_tls
from certificates import OK, Authority, aged
from servers import Peer, always, scripted

pytestmark = pytest.mark.lanes


def shown(peer: Peer) -> str:
    """The name on the client's certificate."""
    [(_, name)] = peer.writer.get_extra_info("peercert")["subjectAltName"]
    return name.partition("@")[0]


async def naming(peer: Peer) -> None:
    """A script: one answer a connection, the name on the client's certificate."""
    if await peer.request() is not None:
        await peer.answer(shown(peer).encode(), Connection="close")


async def naming_kept(peer: Peer) -> None:
    """The same, over and over."""
    while await peer.request() is not None:
        await peer.answer(shown(peer).encode())


class Mounted:
    """A folder with `tls.crt` and `tls.key`, whose files are never young unless asked to be."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority, self.folder = authority, folder
        self.made = 0
        self.pair("v0")
        self.settings = TLS(ca=authority.file, cert=folder / "tls.crt", key=folder / "tls.key")

    def files(self, name: str) -> tuple[Path, Path]:
        """A new pair, elsewhere."""
        self.made += 1
        cert, key = self.authority.pair(self.folder / str(self.made), f"{name}@example.org")
        aged(cert, 1000 - self.made)
        aged(key, 1000 - self.made)
        return Path(cert), Path(key)

    def put(self, source: Path) -> None:
        """One of the two takes its place, whole."""
        source.rename(self.folder / source.name)

    def pair(self, name: str) -> None:
        for source in self.files(name):
            self.put(source)


@pytest.fixture
def mounted(ours, tmp_path):
    return Mounted(ours, tmp_path)


async def test_the_next_connection_shows_the_new_certificate(ours, mounted):
    async with scripted(naming, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        assert (await api.get("/")).text == "v0"
        mounted.pair("v1")
        assert (await api.get("/")).text == "v1"


@pytest.mark.parametrize("key_first", [True, False])
async def test_two_that_do_not_fit_are_not_used(ours, mounted, caplog, key_first):
    async with scripted(naming, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        await api.get("/")
        first, second = mounted.files("v1")[:: -1 if key_first else 1]
        mounted.put(first)
        for _ in range(3):
            assert (await api.get("/")).text == "v0"
        [told] = [one.message for one in caplog.records if one.levelno == logging.WARNING]  # once
        assert "the last good ones stay in use" in told
        assert "the key doesn't belong to the certificate" in told
        mounted.put(second)
        assert (await api.get("/")).text == "v1"


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
@pytest.mark.parametrize("broken", [missing, empty, half])
async def test_a_broken_file_is_not_used(ours, mounted, name, broken):
    async with scripted(naming, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        await api.get("/")
        path = mounted.folder / name
        broken(path)
        if path.exists():
            aged(path)
        assert (await api.get("/")).text == "v0"
        mounted.pair("v1")
        assert (await api.get("/")).text == "v1"


async def test_what_may_still_be_being_written_waits(ours, mounted):
    """A chain cut short after its first certificate would be taken for whole."""
    async with scripted(naming, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        await api.get("/")
        cert, key = mounted.files("v1")
        os.utime(cert)
        mounted.put(cert)
        mounted.put(key)
        assert (await api.get("/")).text == "v0"
        aged(mounted.folder / "tls.crt", transport_tls.SETTLED)
        assert (await api.get("/")).text == "v1"


async def test_what_was_written_just_before_the_client_was_made_is_read_again(ours, mounted, monkeypatch):
    """Written once more in the same tick of the clock, with as many bytes, it looks the same."""
    now = time.time()
    files = {path: path.read_bytes() for path in (mounted.folder / "tls.crt", mounted.folder / "tls.key")}
    later = {path: new.read_bytes() for path, new in zip(files, mounted.files("v9"), strict=True)}

    def write(contents) -> None:
        for path, content in contents.items():
            path.write_bytes(content.ljust(4000, b"\n"))
            os.utime(path, (now, now))

    write(files)
    async with scripted(naming, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        assert (await api.get("/")).text == "v0"
        write(later)
        monkeypatch.setattr(transport_tls.time, "time", lambda: now + 10)
        assert (await api.get("/")).text == "v9"


async def test_files_that_were_merely_touched_change_nothing(ours, mounted):
    async with scripted(naming_kept, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        await api.get("/")
        aged(mounted.folder / "tls.crt", 3)
        for _ in range(3):
            await asyncio.gather(api.get("/"), api.get("/"))  # one of them on a new connection, the first time
        assert len(server.peers) == 2


async def test_a_mounted_secret_swaps_its_folder(ours, mounted, tmp_path):
    """As Kubernetes does: the files are links into a folder that is itself a link."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for source, folder in ((mounted.files("v1"), "one"), (mounted.files("v2"), "two")):
        for path in source:
            path.rename(tmp_path / folder / path.name)
    data = tmp_path / "..data"
    data.symlink_to(tmp_path / "one")
    for name in ("tls.crt", "tls.key"):
        (mounted.folder / name).unlink()
        (mounted.folder / name).symlink_to(data / name)
    async with scripted(naming, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        assert (await api.get("/")).text == "v1"
        (tmp_path / "next").symlink_to(tmp_path / "two")
        (tmp_path / "next").rename(data)
        assert (await api.get("/")).text == "v2"


async def test_authorities_change_too(ours, theirs, tmp_path):
    ca = tmp_path / "trusted.pem"
    shutil.copy(theirs.file, ca)
    aged(ca)
    async with scripted(always(OK, close=True), tls=ours.server()) as server, Client(server.url, tls=ca) as api:
        with pytest.raises(TLSError, match="issuer certificate"):
            await api.get("/")
        shutil.copy(ours.file, ca)
        aged(ca, 30)
        assert (await api.get("/")).text == "hi"
        shutil.copy(theirs.file, ca)
        aged(ca, 20)
        with pytest.raises(TLSError, match="issuer certificate"):
            await api.get("/")


async def test_connections_of_the_old_certificate_are_retired_without_cutting_a_call(ours, mounted):
    """Those that wait are closed, those in use after their answer."""
    let, asked, names = asyncio.Event(), asyncio.Event(), []

    async def script(peer: Peer) -> None:
        names.append(shown(peer))
        while (seen := await peer.request()) is not None:
            if seen.path == "/slow":
                asked.set()
                await let.wait()
            await peer.answer(shown(peer).encode())

    async with scripted(script, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        slow = asyncio.create_task(api.get("/slow"))
        await asked.wait()
        await api.get("/")  # a second connection, which then waits
        mounted.pair("v1")
        answers = await asyncio.gather(api.get("/"), api.get("/"))  # the second, and a third
        assert sorted(answer.text for answer in answers) == ["v0", "v1"]
        let.set()
        assert (await slow).text == "v0"
        for _ in range(3):
            assert {answer.text for answer in await asyncio.gather(api.get("/"), api.get("/"))} == {"v1"}
        assert names.count("v0") == 2


async def test_a_stream_that_is_open_is_read_to_its_end_while_certificates_change(ours, mounted):
    let, names = asyncio.Event(), []

    async def script(peer: Peer) -> None:
        names.append(shown(peer))
        while (seen := await peer.request()) is not None:
            if seen.path == "/stream":
                await peer.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
                await let.wait()
                await peer.write("cd")
            else:
                await peer.answer(shown(peer).encode())

    async with scripted(script, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        async with api.stream("GET", "/stream") as response:
            pieces = response.bytes()
            assert await anext(pieces) == b"ab"
            mounted.pair("v1")
            assert [(await api.get("/")).text for _ in range(3)] == ["v1"] * 3
            let.set()
            assert [piece async for piece in pieces] == [b"cd"]
        answers = await asyncio.gather(*(api.get("/") for _ in range(3)))
        assert {answer.text for answer in answers} == {"v1"}
        assert names.count("v0") == 1


async def test_idle_connections_of_the_old_certificate_are_not_used_again(ours, mounted):
    async with scripted(naming_kept, tls=ours.asking()) as server, Client(tls=mounted.settings) as api:
        other = server.url.replace("127.0.0.1", "localhost")
        assert (await api.get(server.url)).text == "v0"
        mounted.pair("v1")
        assert (await api.get(server.url)).text == "v0"  # no new connection, nothing looked at
        assert (await api.get(other)).text == "v1"
        assert (await api.get(server.url)).text == "v1"


async def test_hundreds_of_calls_go_on_while_certificates_change(ours, mounted):
    """Not one fails, nothing is retried, and the newest certificate is seen."""
    settings = {"tls": mounted.settings, "retry": None, "concurrency": 20, "timeout": 60}
    version, seen, one, other, since = 0, [], None, None, 0
    async with (
        scripted(naming, tls=ours.asking()) as server,
        Client(server.url, **settings) as api,
        api.map("/" for _ in range(5000)) as outcomes,
    ):
        async for outcome in outcomes:
            seen.append(outcome.value.text)
            since += 1
            if one is None and seen[-1] == f"v{version}":  # the newest is in use: half of the next
                if version == 6:
                    break
                version += 1
                one, other = mounted.files(f"v{version}")[:: 1 if version % 2 else -1]
                mounted.put(one)
                since = 0
            elif one is not None and since == 40:  # calls enough have met the two that do not fit
                mounted.put(other)
                one = None
    assert len(seen) >= 200
    assert list(dict.fromkeys(seen)) == [f"v{version}" for version in range(7)]


async def test_a_kept_connection_costs_nothing(ours, mounted, monkeypatch):
    looked = []
    for name in ("context", "check"):
        usual = getattr(transport_tls.Handshakes, name)
        monkeypatch.setattr(
            transport_tls.Handshakes, name, lambda *args, usual=usual, name=name: (looked.append(name), usual(*args))[1]
        )
    async with scripted(naming_kept, tls=ours.asking()) as server, Client(server.url, tls=mounted.settings) as api:
        looked.clear()
        for _ in range(20):
            await api.get("/")
    assert looked == ["context"]


def test_a_renewal_is_counted_and_changes_the_context_of_every_offer(mounted):
    settings = mounted.settings
    tls = transport_tls.Handshakes(ca=settings.ca, cert=settings.cert, key=settings.key)
    offers = [("http/1.1",), ("h2", "http/1.1")]
    before = [tls.context(offer) for offer in offers]
    assert tls.renewals == 0
    mounted.pair("v1")
    after = [tls.context(offer) for offer in offers]
    assert tls.renewals == 1
    assert not {id(context) for context in before} & {id(context) for context in after}


def test_an_offer_that_was_asked_for_before_never_meets_files_that_can_not_be_used(mounted):
    settings = mounted.settings
    tls = transport_tls.Handshakes(ca=settings.ca, cert=settings.cert, key=settings.key)
    first = tls.context(("h2", "http/1.1"))
    cert, _ = mounted.files("v1")
    mounted.put(cert)
    assert tls.context(("h2", "http/1.1")) is first
    with pytest.raises(ConfigError, match="the key doesn't belong to the certificate"):
        tls.context(("h2",))
    assert tls.renewals == 0
