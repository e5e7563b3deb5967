"""What asyncio doesn't tell of a connection: bytes that wait in its socket, and whether TLS was ended in order."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from asyncapi.transports.wire import ended_in_order, heard
from memory_wire import Line, Net


class Transport:
    """What an asyncio transport says of itself."""

    def __init__(self, **known) -> None:
        self.known = known

    def get_extra_info(self, name: str):
        return self.known.get(name)


def test_bytes_and_the_end_are_heard_before_the_loop_reads_them():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ask = heard(Transport(socket=ours))
        assert not ask(0)
        theirs.send(b"x")
        assert ask(0)
        ours.recv(1)
        assert not ask(0)
        theirs.close()
        assert ask(0)


async def test_nothing_is_heard_where_there_is_no_socket():
    closed = socket.socket()
    closed.close()
    for transport in (Line(Net(print), 0, asyncio.Protocol()), Transport(socket=closed)):
        assert not heard(transport)(0)


@pytest.mark.parametrize(("says", "in_order"), [
    (b"", True),
    (ssl.SSLZeroReturnError(), True),
    (ssl.SSLWantReadError(), False),
    (ssl.SSLError(1, "broken"), False),
])  # fmt: skip
def test_tls_says_whether_it_was_ended_in_order(says, in_order):
    class TLS:
        def read(self, size: int) -> bytes:
            if isinstance(says, Exception):
                raise says
            return says

    assert ended_in_order(Transport(ssl_object=TLS())) is in_order
    assert ended_in_order(Transport())
