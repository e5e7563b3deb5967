"""The report's tables escape what comes from outside, and are bounded."""

from asyncapi.bulk import tables
from asyncapi.bulk.tally import Host

EVIL = '"><script>x</script>'


def test_everything_from_outside_is_escaped():
    row = {
        "id": EVIL,
        "url": EVIL,
        "status": None,
        "ok": False,
        "error": EVIL,
        "attempts": 1,
        "elapsed_ms": 1.0,
        "at": EVIL,
    }
    for html in (
        tables.card(EVIL, ""),
        tables.tile(EVIL, EVIL),
        tables.bars({EVIL: 1}, {}),
        tables.facts([(EVIL, EVIL)]),
        tables.errors({EVIL: 1}, {EVIL: EVIL}),
        tables.hosts({EVIL: Host()}),
        tables.samples([row]),
    ):
        assert "<script" not in html
        assert '"">' not in html


def test_only_the_largest_counts_are_bars_and_the_rest_is_counted():
    html = tables.bars({f"Kind{number}": number for number in range(1, 30)}, {})
    assert ">Kind29<" in html
    assert ">Kind1<" not in html
    assert "and 17 more kinds" in html


def test_bars_may_keep_their_order():
    html = tables.bars({"1": 5, "2": 10}, {}, ranked=False)
    assert html.index(">1<") < html.index(">2<")


def test_hosts_are_listed_by_rows_and_the_rest_is_counted():
    html = tables.hosts({f"h{number}": Host(latency={0: number}) for number in range(1, 100)})
    assert html.index("h99") < html.index("h98")
    assert "and 74 more hosts" in html
    assert "bytes" not in html
    assert "bytes" in tables.hosts({"": Host(latency={0: 1}, size=5)})
    assert "the base URL" in tables.hosts({"": Host(latency={0: 1}, size=5)})


def test_a_long_id_is_cut():
    row = {
        "id": "x" * 500,
        "url": "u",
        "status": 200,
        "ok": True,
        "attempts": 1,
        "elapsed_ms": 1.0,
        "at": "2026-11-27T10:11:12.123Z",
    }
    html = tables.samples([row])
    assert "x" * 30 not in html
    assert "10:11:12" in html
