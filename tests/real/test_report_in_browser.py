"""The report in a real browser: on a screen and on a phone, light and dark, nothing wraps or is wider than the page."""

import pytest

from asyncapi.bulk.page import Facts, render
from asyncapi.bulk.tally import Tally
from browser import chromium
from shown import summary


def busy():
    """A job in which everything happened, with long names."""
    tally = Tally()
    for number in range(3000):
        good = number % 7 > 0
        host = f"{'very-' * 12}long-{number % 5}.internal.example.com:12345"
        row = {"id": number * 10**9, "url": f"https://{host}/{'path/' * 60}{number}", "status": 200 if good else 404 + number % 40,
               "ok": good, "attempts": number % 6, "elapsed_ms": 5.0 + number, "at": "2026-11-27T10:00:00.000Z"}  # fmt: skip
        if not good:
            row["error"] = f"{'Very' * (number % 9)}LongError: {'no space ' * 20}{'x' * 200}"
        tally.count(row, number / 3, host=host, size=10**6, reasons=["503", "RemoteProtocolError"] * (number % 2))
        tally.sample(
            number / 3, in_flight=number % 90, queued=number, paused=float(300 < number < 600),
            held={"budget": number % 3, "max_retry_after": int(number > 2000)},
        )  # fmt: skip
    tally.waits.update({"rate": 12345.0, "concurrency": 3.0})
    return tally


def single():
    tally = Tally()
    row = {"id": 1, "url": "https://h/", "status": 200, "ok": True, "attempts": 1, "elapsed_ms": 8.0, "at": ""}
    tally.count(row, 0.05, host="h")
    return tally


@pytest.mark.parametrize("tally", [busy, single, Tally])
async def test_it_fits_a_screen_and_a_phone_light_and_dark(tmp_path, tally):
    counted = tally()
    facts = Facts(
        title=f"asyncapi fetch: {'long-name-' * 20}.txt", leads=(f"from /{'folder/' * 40}in.txt", "to o.jsonl"), rate=50.0,
        command=f"asyncapi fetch in.txt \\\n    -o {'x' * 300}", settings=(("url", f"https://h/{'x' * 400}"),), concurrency=100,
        notes=("This report was made afterwards. " * 5 + "x" * 300,),
    )  # fmt: skip
    figures = counted.figures() | {
        "held": {"budget": 7},
        "paused": 90.0,
        "elapsed": 1000.0 if counted.done > 1 else 0.06,
    }
    page = tmp_path / "report.html"
    page.write_text(render(facts, summary(**figures), counted))
    async with chromium(tmp_path / "profile") as browser:
        colours = set()
        for width, phone in ((1280, False), (390, True), (320, True)):
            for dark in (False, True):
                seen = await browser.look(page, width=width, phone=phone, dark=dark)
                assert (seen["width"], seen["found"]) == (width, [])
                colours.add((dark, seen["background"], seen["text"]))
        assert len(colours) == 2
