"""AWS at the transport: it records what is sent, and answers what it is given. Keys as in AWS' documentation."""

from __future__ import annotations

import re

from asyncapi import AWSSigV4, Client
from asyncapi.testing import FakeClock, MockTransport, reply

ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class Bucket:
    """What came, at the transport."""

    def __init__(self, *answers, epoch=1_700_000_000.0) -> None:
        self.clock = FakeClock(epoch=epoch)
        self.seen = []
        self.bodies = []
        self.answers = list(answers)

    async def __call__(self, request):
        self.seen.append(request)
        content = request.content
        self.bodies.append(
            b"".join([piece async for piece in content.open()]) if hasattr(content, "open") else content or b""
        )
        answer = self.answers.pop(0) if self.answers else 200
        return reply(answer) if isinstance(answer, int) else answer

    def client(self, auth, base="https://h", **settings) -> Client:
        settings.setdefault("timeout", None)  # threads take real time, in which virtual time would pass
        return Client(base, auth=auth, transport=MockTransport(self, clock=self.clock), clock=self.clock, **settings)


def given(service="s3", region="us-east-1", **settings) -> AWSSigV4:
    return AWSSigV4(service, region, access_key=ID, secret_key=SECRET, **settings)


def signature(request) -> str:
    return request.headers["Authorization"].rpartition("Signature=")[2]


def key_of(request) -> str:
    return re.search(r"Credential=([^/]+)/", request.headers["Authorization"])[1]
