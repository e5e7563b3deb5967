"""The server's counters: plain data, and a reset that forgets all but what is in flight."""

from __future__ import annotations

from asyncapi.serve.stats import Stats


def test_counters_are_shown_as_plain_data_sorted_by_name():
    stats = Stats()
    stats.requests += 2
    stats.by_status.update(["503", "200"])
    stats.by_prefix.update(["users", "items"])
    stats.faults.update(["drop"])
    shown = stats.shown()
    assert list(shown["by_status"]) == ["200", "503"]
    assert list(shown["by_prefix"]) == ["items", "users"]
    assert (shown["requests"], shown["faults"]) == (2, {"drop": 1})


def test_a_reset_keeps_what_is_in_flight():
    stats = Stats()
    stats.in_flight = stats.max_in_flight = 3
    stats.requests, stats.connections = 7, 2
    stats.clear()
    assert (stats.in_flight, stats.max_in_flight, stats.requests, stats.connections) == (3, 3, 0, 0)


async def test_the_server_counts_what_it_answers(server, http):
    for path in ("/items/1", "/users/1", "/nowhere"):
        async with http.get(path) as response:
            await response.read()
    async with http.get("/stats") as response:
        shown = await response.json()
    assert shown["requests"] == 3
    assert shown["by_status"] == {"200": 2, "404": 1}
    assert shown["in_flight"] <= 1
