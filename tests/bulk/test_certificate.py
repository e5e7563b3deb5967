"""A client certificate goes where any credential of the job goes, and nowhere else."""

import pytest

from asyncapi import Client
from asyncapi.bulk.certificate import CertificateTransport
from asyncapi.testing import MockTransport, reply


@pytest.mark.parametrize(
    ("base", "url", "to", "shown"),
    [
        ("", "https://a/1", "https://a/2", [True, True]),
        ("", "https://a/1", "https://b/2", [True, False]),
        ("", "http://a/1", "https://a/2", [True, False]),
        ("", "https://a/1", "https://a:8443/2", [True, False]),
        ("https://a", "/1", "https://a/2", [True, True]),
        ("https://a", "https://b/1", "https://a/2", [False, True]),
    ],
)
async def test_only_the_origin_of_the_row_or_of_the_base_url_sees_it(base, url, to, shown):
    seen = []

    def lane(name):
        def handler(request):
            seen.append(name)
            return reply(302, headers={"Location": to}) if request.url.path == "/1" else reply(200)

        return MockTransport(handler)

    async with Client(base, transport=CertificateTransport(lane(True), lambda: lane(False), base)) as api:
        await api.get(url)
    assert seen == shown


async def test_both_transports_are_closed():
    closed = []

    class Closing(MockTransport):
        async def aclose(self):
            closed.append(self)

    both = Closing(lambda request: reply(302, headers={"Location": "https://b/"})), Closing(lambda request: reply(200))
    async with Client(transport=CertificateTransport(both[0], lambda: both[1], "")) as api:
        await api.get("https://a/")
    assert closed == list(both)
