"""A name server on loopback that answers every question with the SRV records that it was given.

async with name_server("10 60 8443 a.example.", ttl=30) as (server, address): ...
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import dns.message
import dns.rcode
import dns.rrset

NAME = "_api._tcp.example."


class NameServer(asyncio.DatagramProtocol):
    """Answers each question with the records that it has; with none, that there is no such name."""

    def __init__(self, *records: str, ttl: int = 30, silent: bool = False) -> None:
        self.records = records
        self.ttl = ttl
        self.silent = silent
        self.asked = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, sender):
        self.asked += 1
        if self.silent:
            return
        response = dns.message.make_response(dns.message.from_wire(data))
        if self.records:
            response.answer.append(dns.rrset.from_text(NAME, self.ttl, "IN", "SRV", *self.records))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(response.to_wire(), sender)


@asynccontextmanager
async def name_server(*records: str, **how):
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(*records, **how), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()
