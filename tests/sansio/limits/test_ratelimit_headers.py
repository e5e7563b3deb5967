"""The limits that servers state are read in every dialect, and what can't be read does not count."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncapi.sansio.limits.ratelimit_headers import Quota, quotas

NOW = 1_700_000_000.25  # 2023-11-14T22:13:20.25Z


def read(headers, now=NOW):
    return list(quotas(CIMultiDict(headers), now))


def only(headers, now=NOW):
    (quota,) = read(headers, now)
    return quota


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (  # draft -08 to -10
            {"RateLimit-Policy": '"default";q=100;w=60', "RateLimit": '"default";r=50;t=30'},
            Quota("ietf", "default", "requests", 100, 50, 30, 60),
        ),
        (  # tokens for strings, other parameters, no window, other spacing
            {"ratelimit-policy": "default;q=100; acme-burst=5", "ratelimit": " default; r=50;t=30;pk=:cHk=: "},
            Quota("ietf", "default", "requests", 100, 50, 30, None),
        ),
        (
            {"RateLimit-Policy": '"peruser";q=65535;qu="content-bytes";w=10', "RateLimit": '"peruser";r=1000'},
            Quota("ietf", "peruser", "bytes", 65535, 1000, None, 10),
        ),
        ({"RateLimit": '"day";r=100;t=36000'}, Quota("ietf", "day", "requests", None, 100, 36000, None)),
        ({"RateLimit-Policy": '"hour";q=9;w=3600'}, Quota("ietf", "hour", "requests", 9, None, None, 3600)),
        (  # draft -07
            {"RateLimit": "limit=100, remaining=50, reset=30", "RateLimit-Policy": "100;w=60, 1000;w=3600"},
            Quota("ietf", "", "requests", 100, 50, 30, 60),
        ),
        (  # drafts -00 to -06
            {"RateLimit-Limit": "100", "RateLimit-Remaining": "50", "RateLimit-Reset": "30"},
            Quota("ietf-06", "", "requests", 100, 50, 30, None),
        ),
        (
            {"RateLimit-Limit": "10, 10;w=1, 50;w=60", "RateLimit-Remaining": "9", "RateLimit-Reset": "1"},
            Quota("ietf-06", "", "requests", 10, 9, 1, 1),
        ),
        (
            {
                "RateLimit-Limit": "50", "RateLimit-Remaining": "9", "RateLimit-Reset": "1",
                "RateLimit-Policy": '10;w=1, 50;w=60;comment="a;b,c"',
            },
            Quota("ietf-06", "", "requests", 50, 9, 1, 60),
        ),
        (
            {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "37", "X-RateLimit-Reset": "12"},
            Quota("x-ratelimit", "", "requests", 100, 37, 12, None),
        ),
        (
            {"X-Rate-Limit-Limit": "900", "X-Rate-Limit-Remaining": "899", "X-Rate-Limit-Reset": "1700000060"},
            Quota("x-ratelimit", "", "requests", 900, 899, 59.75, None),
        ),
        (  # Kong
            {"X-RateLimit-Limit-Minute": "20", "X-RateLimit-Remaining-Minute": "19"},
            Quota("x-ratelimit", "minute", "requests", 20, 19, None, 60),
        ),
        (  # Discord
            {
                "X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000001.5",
                "X-RateLimit-Reset-After": "1.25", "X-RateLimit-Bucket": "abcd1234",
            },
            Quota("x-ratelimit", "abcd1234", "requests", 5, 0, 1.25, None),
        ),
        (
            {
                "X-RateLimit-Limit": "30", "X-RateLimit-Remaining": "14", "X-RateLimit-Reset": "1700000060",
                "X-RateLimit-Used": "16", "X-RateLimit-Resource": "search",
            },
            Quota("github", "search", "requests", 30, 14, 59.75, None),
        ),
        (
            {
                "x-ratelimit-limit-requests": "5000", "x-ratelimit-remaining-requests": "4999",
                "x-ratelimit-reset-requests": "1m30s",
            },
            Quota("openai", "requests", "requests", 5000, 4999, 90, None),
        ),
        (
            {
                "x-ratelimit-limit-tokens": "160000", "x-ratelimit-remaining-tokens": "159976",
                "x-ratelimit-reset-tokens": "6ms",
            },
            Quota("openai", "tokens", "tokens", 160000, 159976, 0.006, None),
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-limit": "40000", "anthropic-ratelimit-input-tokens-remaining": "1000",
                "anthropic-ratelimit-input-tokens-reset": "2023-11-14T22:13:50Z",
            },
            Quota("anthropic", "input-tokens", "tokens", 40000, 1000, 29.75, None),
        ),
    ],
    ids=lambda value: value.dialect if isinstance(value, Quota) else "",
)  # fmt: skip
def test_every_dialect_is_read(headers, told):
    assert only(headers) == told


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("0", 0), ("7", 7), ("0.25", 0.25), ("31000000", 31_000_000), ("1700000010", 9.75), ("1700000010.75", 10.5),
        ("1700000010000", 9.75), ("1700000010000000", 9.75), ("1600000000", 0), ("2023-11-14T22:13:30Z", 9.75),
        ("2023-11-14T23:13:30+01:00", 9.75), ("2023-11-14T22:13:30", 9.75), ("2023-11-14 22:13:30.500000+00:00", 10.25),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 9.75), ("1h2m3s", 3723), ("120ms", 0.12), ("1.5s", 1.5), ("2d", 172_800),
        (" 7 ", 7), ("7, 8", 7),
        ("", None), ("soon", None), ("-5", None), ("nan", None), ("inf", None), ("1e400", None), ("500000000", None),
        ("9" * 30, None), ("٣", None), ("1h2x", None), ("9999999999", None), ("2999-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00", 0), ("\x00", None), ("7s,", None),
    ],
)  # fmt: skip
def test_a_reset_is_seconds_from_now_whatever_it_is_written_in(reset, seconds):
    quota = only({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": reset})
    assert quota.reset == (pytest.approx(seconds) if seconds is not None else None)


def test_several_limits_at_once_are_several_records():
    told = read([
        ("RateLimit-Policy", '"permin";q=50;w=60'),
        ("RateLimit-Policy", '"perhr";q=1000;w=3600,"slots";q=5;qu="concurrent-requests"'),
        ("RateLimit", '"permin";r=20;t=23, "perhr";r=399;t=2402'),
        ("RateLimit", '"slots";r=4'),
        ("x-ratelimit-limit-requests", "10"),
        ("x-ratelimit-remaining-requests", "9"),
        ("x-ratelimit-limit-tokens", "100"),
        ("x-ratelimit-remaining-tokens", "0"),
    ])  # fmt: skip
    assert told == [
        Quota("ietf", "permin", "requests", 50, 20, 23, 60),
        Quota("ietf", "perhr", "requests", 1000, 399, 2402, 3600),
        Quota("openai", "requests", "requests", 10, 9),
        Quota("openai", "tokens", "tokens", 100, 0),
    ]


def test_epochs_are_taken_by_the_servers_clock_where_ours_is_off():
    headers = {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1700000060"}
    headers["Date"] = format_datetime(datetime.fromtimestamp(1_700_000_000, UTC), usegmt=True)
    assert only(headers, now=NOW).reset == 59.75  # near enough: ours has fractions
    assert only(headers, now=NOW - 3600).reset == 60
    assert only(headers | {"Date": "yesterday"}, now=NOW).reset == 59.75
    assert only(headers | {"Date": "12"}, now=NOW).reset == 59.75


def test_a_number_below_zero_says_nothing():
    """As Azure OpenAI sends them where no limit is known."""
    assert read({"x-ratelimit-limit-tokens": "-1", "x-ratelimit-remaining-tokens": "-1"}) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json", "Retry-After": "3"},
        {"X-RateLimit-Reset": "3"},
        {"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": ""},
        {"X-RateLimit-Remaining": "1" * 1001},
        {"RateLimit": ""},
        {"RateLimit": '"default;r=50;t=30'},
        {"RateLimit": ",;=,;r=1"},
        # no structured field (RFC 9651 section 4.2), though most of it could be read
        {"RateLimit": '"default";r=1;t=2,'},
        {"RateLimit": '"default";r=1;t=2;'},
        {"RateLimit": '"default" ;r=5'},
        {"RateLimit": '"default";r =5'},
        {"RateLimit": "one two;r=1"},
        {"RateLimit": '("a" "b";r=1'},
        {"RateLimit": '("a" "b");r=1'},
        {"RateLimit": "1234567890123456;r=1"},
        {"RateLimit": '"default";r=999999999999999999'},
        {"RateLimit": '"é";r=1'},
        {"RateLimit": '"a\tb";r=1'},
        {"RateLimit": '"default";r="5"'},
        {"RateLimit": '"default";r=?1'},
        {"RateLimit": "limit=10, remaining=5,"},
        {"RateLimit": '"default";r=1' + ", x" * 2000},
        {"RateLimit-Policy": '"default";q=10;w=60;'},
        {"RateLimit": '"default";r=many'},
        {"RateLimit-Policy": '"default"'},
        {"RateLimit-Policy": "100;w=60"},
        {"RateLimit-Policy": '"slots";q=5;qu="concurrent-requests"', "RateLimit": '"slots";r=4'},
        {"anthropic-ratelimit-unified-reset": "1700000060"},
    ],
)
def test_what_cannot_be_read_is_as_if_it_were_not_there(headers):
    assert read(headers) == []


def test_one_bad_line_of_a_list_spoils_it_but_nothing_beside_it():
    told = read([("RateLimit", '"a";r=1'), ("RateLimit", '"b";r=;'), ("X-RateLimit-Remaining", "7")])
    assert told == [Quota("x-ratelimit", "", "requests", None, 7)]


def test_no_response_gives_more_than_sixteen_records():
    assert len(read({"RateLimit": ", ".join(f'"{number}";r=1' for number in range(50))})) == 16


NAMES = st.sampled_from([
    "RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-RateLimit-Limit",
    "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Reset-After", "X-RateLimit-Used", "X-RateLimit-Resource",
    "X-RateLimit-Bucket", "X-Rate-Limit-Reset", "x-ratelimit-reset-requests", "x-ratelimit-limit-requests", "Date",
    "anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining",
])  # fmt: skip
PIECES = st.sampled_from(
    ['"', "a", "default", ";", ",", "=", "r=5", "t=", "q=1e9", "w=", "60", "-", ".", "limit=", "remaining=", "\\",
     "1h", "ms", ":", "2023-11-14T22:13:30Z", "Tue, 14 Nov 2023 22:13:30 GMT", " ", "\t", "9" * 20, "é"],
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map("".join), st.floats().map(str))


@given(st.lists(st.tuples(st.one_of(NAMES, st.text(max_size=20)), TEXTS), max_size=10), st.floats(0, 4e9))
def test_no_header_text_raises_and_every_figure_is_plain(headers, now):
    for quota in quotas(CIMultiDict(headers), now):
        for figure in (quota.limit, quota.remaining, quota.reset, quota.window):
            assert figure is None or 0 <= figure < 1e18
        assert quota.reset is None or quota.reset <= 366 * 86_400


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 86_400), st.integers(1, 86_400))
def test_what_a_server_writes_by_the_draft_is_read_back(quota, remaining, reset, window):
    policy = f'"a;b, \\"c\\"";q={quota};w={window}'
    told = only({"RateLimit-Policy": policy, "RateLimit": f'"a;b, \\"c\\"";r={remaining};t={reset}'})
    assert (told.limit, told.remaining, told.reset, told.window) == (quota, remaining, reset, window)
