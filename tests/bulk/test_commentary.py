"""A line on stderr for each row that is sent again, held back or failed, without secrets."""

import io

from asyncapi import Client
from asyncapi.bulk.commentary import Commentary
from asyncapi.bulk.reader import Item
from asyncapi.testing import FakeClock, MockTransport, reply, run

URL = "https://u:pa55@h/items/7?token=s3cr3t"


def row(name=None):
    item = Item("GET", URL, id=7)
    item.name = name
    return item


def test_lines_name_the_row_and_mask_secrets():
    out = io.StringIO()
    comments = Commentary(out)
    comments.held_back(row(), "budget")
    comments.failed(row("x\ny"), {"error": "ServerError: 503\nmore"})
    first, second = out.getvalue().splitlines()
    assert first.startswith("row 7: GET https://")
    assert first.endswith(": held back by budget")
    assert second.startswith("row 7 (id x y): GET ")
    assert second.endswith("failed: ServerError: 503 more")
    assert "s3cr3t" not in out.getvalue()
    assert "pa55" not in out.getvalue()


def test_a_retry_is_told_when_it_is_sent_and_a_redirect_is_none():
    out = io.StringIO()
    answers = [reply(503), reply(302, headers={"Location": "/b"}), reply(200)]

    async def main():
        transport = MockTransport(lambda request: answers.pop(0))
        api = Client(transport=transport, clock=FakeClock(), watch=Commentary(out))
        async with api, api.map([row()]) as outcomes:
            async for _ in outcomes:
                pass

    run(main())
    [line] = out.getvalue().splitlines()
    assert line.startswith("row 7: GET https://")
    assert "sent again (retry: 503, " in line
    assert "s3cr3t" not in line
