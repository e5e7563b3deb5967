"""What a private HTTP cache does, as a table: freshness, and how the fields that say it are read.

A row is `row(name, kind, section, *steps)`. A step is one request of the client and what the origin replies to it:

    step("Cache-Control: max-age=60 | Date: +0", wait=True)     it replies with these headers; then 3 seconds pass
    step(sends="Foo: 1", sees="cache")                          the client sends this; the response is from the cache

A date with a sign is that many seconds from now. A header that begins with "~" is not compared with what arrives. `sees`
is "cache", "origin" (another response came, of this very request), "etag" or "date" (the stored one was revalidated by
its ETag, or its Last-Modified). The kinds are "must" (RFC 9111 says so), "should" (what makes a good cache) and "choice"
(either is allowed: the row says which is ours). `as_test` makes a test of the public suite's form of a row.
"""

from __future__ import annotations

from typing import Any

Row = tuple[str, str, str, tuple[dict[str, Any], ...]]

_SEES = {"cache": "cached", "origin": "not_cached", "etag": "etag_validated", "date": "lm_validated"}


def fields(text: str) -> list[list[Any]]:
    """Read headers from the table."""
    found: list[list[Any]] = []
    for line in filter(None, text.split(" | ")):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        whole = value[:1] in {"+", "-"} and value[1:].isdigit() and name.lstrip("~").lower() != "age"
        field: list[Any] = [name.lstrip("~"), int(value) if whole else value]
        found.append([*field, False] if name.startswith("~") else field)
    return found


def step(gives: str = "", *, sends: str = "", sees: str = "", wait: bool = False, **more: Any) -> dict[str, Any]:
    """One request and its reply, in the suite's form."""
    made: dict[str, Any] = {"response_headers": fields(gives)} if gives else {}
    if sends:
        made["request_headers"] = fields(sends)
    if sees:
        made["expected_type"] = _SEES[sees]
    if wait:
        made["pause_after"] = True
    shows, hides = more.pop("shows", ""), more.pop("hides", "")
    if shows:
        made["expected_response_headers"] = fields(shows)
    if hides:
        made["expected_response_headers_missing"] = hides.split(", ")
    if asks := more.pop("asks", ""):
        made["expected_request_headers"] = fields(asks)
    return made | more


def row(name: str, kind: str, section: str, *steps: dict[str, Any]) -> Row:
    return name, kind, section, steps


def as_test(entry: Row) -> dict[str, Any]:
    """Write a row in the form of the public suite."""
    name, kind, section, steps = entry
    return {
        "id": name, "name": f"{name} ({section})", "kind": {"must": "required", "should": "optimal"}.get(kind, "check"),
        "requests": [dict(one) for one in steps],
    }  # fmt: skip


def once(name: str, kind: str, section: str, gives: str, sees: str, *, wait: bool = True) -> Row:
    """One response, and whether it is used again."""
    return row(name, kind, section, step(gives, wait=wait), step(sees=sees))


LIFETIMES = [
    once("nothing said", "choice", "4.2.2", "", "origin"),
    once("max-age", "should", "5.2.2.1", "Cache-Control: max-age=3600", "cache"),
    once("max-age has passed", "must", "5.2.2.1", "Cache-Control: max-age=2", "origin"),
    once("max-age is 0", "must", "5.2.2.1", "Cache-Control: max-age=0", "origin"),
    *(
        once(f"max-age is {seconds}", "should", "1.2.2", f"Cache-Control: max-age={seconds}", "cache")
        for seconds in (2**31 - 1, 2**31, 2**31 + 1, 99999999999)
    ),
    once("Age is more than max-age", "must", "4.2.3", "Date: +0 | Cache-Control: max-age=3600 | Age: 7200", "origin"),
    once("Date is longer ago than max-age", "choice", "4.2.3", "Date: -7200 | Cache-Control: max-age=3600", "origin"),
    once("max-age goes before a past Expires", "should", "5.3",
         "Cache-Control: max-age=3600 | Expires: -7200 | Date: +0", "cache"),
    once("max-age goes before an Expires that is no date", "should", "5.3",
         "Cache-Control: max-age=3600 | ~Expires: 0 | Date: +0", "cache"),
    once("max-age of 0 goes before a future Expires", "must", "5.3",
         "Expires: +3600 | Cache-Control: max-age=0 | Date: +0", "origin"),
    once("a directive that nobody knows", "should", "5.2.3", "Cache-Control: foobar, max-age=3600", "cache"),
    once("upper and lower case in a directive", "should", "5.2", "Cache-Control: MaX-aGe=3600", "cache"),
    once("max-age is negative", "must", "4.2.1", "Cache-Control: max-age=-3600", "origin"),
    once("s-maxage is for shared caches", "must", "5.2.2.10", "Cache-Control: s-maxage=3600, max-age=1", "origin"),
    once("s-maxage is for shared caches, two lines", "must", "5.2.2.10",
         "Cache-Control: s-maxage=3600 | Cache-Control: max-age=1", "origin"),
    once("s-maxage alone is no lifetime", "choice", "5.2.2.10", "Cache-Control: s-maxage=3600", "origin"),
    once("a future Expires", "should", "5.3", "Expires: +2592000 | Date: +0", "cache"),
    once("a past Expires", "must", "5.3", "Expires: -2592000 | Date: +0", "origin"),
    once("Expires is now", "must", "5.3", "Expires: +0 | Date: +0", "origin", wait=False),
    once("Expires is before Date, both to come", "must", "4.2.1", "Expires: +300 | Date: +400", "origin"),
    once("Expires is no date", "must", "5.3", "~Expires: 0 | Date: +0", "origin"),
    once("Expires with a Date that is none", "should", "4.2.1", "~Date: foo | Expires: +10", "cache", wait=False),
    once("Age is more than Expires allows, slow Date", "must", "4.2.3", "Date: -10 | Expires: +10 | Age: 25",
         "origin", wait=False),
    once("Age is more than Expires allows, fast Date", "must", "4.2.3", "Date: +10 | Expires: +20 | Age: 15",
         "origin", wait=False),
    *(
        once(f"CDN-Cache-Control is for CDNs: {text} beside {own}", "choice", "RFC 9213 2",
             f"~CDN-Cache-Control: {text} | Cache-Control: {own}", sees)
        for text, own, sees in [
            ("max-age=3600", "max-age=1", "origin"), ("no-store", "max-age=3600", "cache"),
            ("private", "max-age=3600", "cache"), ("max-age=3600", "no-store", "origin"),
        ]
    ),
]  # fmt: skip

_CC = "~Cache-Control: max-age="
READING = [
    *(
        once(f"two max-ages, the least counts: {what}", "choice", "4.2.1", gives, "origin")
        for what, gives in [
            ("last", _CC + "1800, max-age=1"), ("last line", _CC + "1800 | " + _CC + "1"),
            ("first", _CC + "1, max-age=1800"), ("first line", _CC + "1 | " + _CC + "1800"),
        ]
    ),
    once("max-age in quotes", "choice", "5.2", _CC + '"3600"', "cache"),
    once("max-age inside another's quotes, before", "must", "5.2", '~Cache-Control: extension="max-age=3600", max-age=1',
         "origin"),
    once("max-age inside another's quotes, after", "must", "5.2", '~Cache-Control: max-age=1, extension="max-age=3600"',
         "origin"),
    once("max-age with leading zeros", "must", "1.2.2", _CC + "003600", "cache"),
    *(
        once(f"max-age{text} is not read", kind, "4.2.1", f"~Cache-Control: max-age{text}", "origin")
        for text, kind in [
            (" =3600", "choice"), ("= 3600", "choice"), ("='3600'", "must"), ("=3600.0", "choice"),
            ("=3600.5", "choice"), ("=a3600", "choice"), ("=3600a", "choice"),
        ]
    ),
    *(
        once(f"Age: {what}", kind, "5.1", f"Date: +0 | Cache-Control: max-age={most} | {ages}", sees)
        for what, kind, most, ages, sees in [
            ("no number", "must", 3600, "~Age: abc", "cache"),
            ("negative", "must", 3600, "~Age: -7200", "cache"),
            ("a fraction", "must", 3600, "~Age: 7200.0", "cache"),
            ("2^31 - 1", "must", 3600, "~Age: 2147483647", "origin"),
            ("2^31", "must", 3600, "~Age: 2147483648", "origin"),
            ("2^31 + 1", "must", 3600, "~Age: 2147483649", "origin"),
            ("old, 0", "must", 3600, "~Age: 7200, 0", "origin"),
            ("0, old", "must", 3600, "~Age: 0, 7200", "cache"),
            ("lines of old and 0", "must", 3600, "~Age: 7200 | ~Age: 0", "origin"),
            ("lines of 0 and old", "must", 3600, "~Age: 0 | ~Age: 7200", "cache"),
            ("0, 0", "must", 3600, "~Age: 0, 0", "cache"),
            ("lines of 0 and 0", "must", 3600, "~Age: 0 | ~Age: 0", "cache"),
            ("lines of the same age", "must", 10000, "~Age: 3600 | ~Age: 3600", "cache"),
            ("with a parameter", "choice", 3600, "~Age: 7200;foo=bar", "origin"),
            ("with a number as parameter", "choice", 3600, "~Age: 7200;foo=111", "origin"),
        ]
    ),
    *(
        once(f"Expires: {text}", "should" if sees == "cache" else "must", "5.3", f"~Expires: {text} | Date: +0", sees,
             wait=wait)
        for text, sees, wait in [
            ("Tue, 19 Jan 2038 14:14:08 GMT", "cache", True), ("Sun, 21 Nov 2286 04:46:39 GMT", "cache", True),
            ("Thursday, 18-Aug-50 02:01:18 GMT", "cache", True), ("Thu Aug  8 02:01:18 2050", "cache", True),
            ("THU, 18 Aug 2050 02:01:18 GMT", "cache", True), ("Thu, 18 AUG 2050 02:01:18 GMT", "cache", True),
            ("Thu, 18 Aug 2050 02:01:18 gMT", "cache", True), ("Thu, 18 Aug 2050 02:01:18 UTC", "origin", True),
            ("Thu, 18 Aug 2050 02:01:18 AEST", "origin", True), ("Thu, 18 Aug 50 02:01:18 GMT", "origin", True),
            ("Thu 18 Aug 2050 02:01:18 GMT", "origin", True), ("Thu, 18  Aug  2050 02:01:18 GMT", "origin", False),
            ("Thu, 18-Aug-2050 02:01:18 GMT", "origin", False), ("Thu, 18 Aug 2050 02.01.18 GMT", "origin", False),
            ("Thu, 18 Aug 2050 2:01:18 GMT", "origin", False),
        ]
    ),
    *(
        once(f"Cache-Control: {text}", "choice", "5.2", f"~Cache-Control: {text}", sees)
        for text, sees in [
            (",,  ,max-age=3600, ,", "cache"), ("max-age=3600, max-age=3600", "cache"), ("max-age=3600, MAX-AGE=1", "origin"),
            ('max-age=3600, ext="a, no-store"', "cache"), ('max-age=3600, ext="a \\" , no-store"', "cache"),
            ("max-age=3600, no-storage", "cache"), ("max-age=3600, x-no-store", "cache"), ("max-age=3600, no-store=0", "origin"),
            ('max-age=3600, ext="a, no-store', "origin"), ("max-age=3600;no-store", "origin"), ("max-age=3600 no-cache", "origin"),
            ("max-age", "origin"), ("max-age=", "origin"), ("max-age==3600", "origin"), ("max-age=+3600", "origin"),
            ("max-age=1e9", "origin"), ("max-age=0x10", "origin"), ("max-age=3600s", "origin"), ('"max-age=3600"', "origin"),
            ("maxage=3600", "origin"), ("max-age:3600", "origin"), ("max-age=\u0663\u0666", "origin"),
            (f"max-age={'9' * 5000}", "cache"), ('private="a, b", max-age=3600', "cache"), ("private, max-age=3600", "cache"),
            ("=3600, max-age=3600", "cache"), ("max-age=3600, =no-store", "origin"),
        ]
    ),
    *(
        once(f"Expires: {text}", "choice", "5.3", f"~Expires: {text} | Date: +0", sees)
        for text, sees in [
            ("", "origin"), ("-1", "origin"), ("never", "origin"), ("Fri, 31 Dec 9999 23:59:59 GMT", "cache"),
            ("Thu, 01 Jan 1970 00:00:00 GMT", "origin"), ("Sat, 01 Jan 0001 00:00:00 GMT", "origin"),
            ("Thu, 31 Feb 2050 02:01:18 GMT", "origin"), ("Thu, 18 Aug 2050 24:01:18 GMT", "origin"),
            ("Thu, 18 Aug 2050 02:01:18 +0000", "origin"), ("2050-08-18T02:01:18Z", "origin"), ("2544314478", "origin"),
            ("Mon, 18 Aug 2050 02:01:18 GMT", "cache"), ("Thu, 18 Aug 2050 02:01:18 GMT, 0", "origin"),
            ("Thu, 18 Aug 2050 02:01:18 GMT | ~Expires: 0", "origin"),
        ]
    ),
    *(
        once(f"Age: {text}", "choice", "5.1", f"Date: +0 | {_CC}3600 | ~Age: {text}", sees)
        for text, sees in [
            ("", "cache"), ("+7200", "cache"), ("7e3", "cache"), ("0x2000", "cache"), ("7200 s", "cache"), (" 7200 ", "origin"),
            ("007200", "origin"), ("9" * 5000, "origin"), (", 7200", "origin"), ('"7200"', "cache"), ("\u0667200", "cache"),
        ]
    ),
    once("Expires in two lines that are no dates", "must", "5.3",
         "~Expires: Thu, 18 Aug 2050 2:01:18 GMT | ~Expires: Thu, 18 Aug 2050 2:01:19 GMT | Date: +0", "origin",
         wait=False),
]  # fmt: skip

_DAY = "Last-Modified: -86400 | Date: +0"


def _guessed(status: int, sees: str, more: str = "") -> Row:
    answer: dict[str, Any] = {"response_status": [status, "Some"]}
    answer["response_body"] = None if status == 204 else "some body"
    kind = "should" if sees == "cache" else "must"
    name = f"a guessed lifetime of {status}{' that says ' + more if more else ''}"
    gives = _DAY + (f" | Cache-Control: {more}" if more else "")
    return row(name, kind, "4.2.2", step(gives, **answer), step(sees=sees, **answer))


HEURISTICS = [
    *(_guessed(status, "cache") for status in (200, 203, 204, 404, 405, 410, 414, 501)),
    *(_guessed(status, "origin") for status in (201, 202, 403, 502, 503, 504, 599)),
    _guessed(599, "cache", "public"),
    *(
        once(f"a guessed lifetime, last modified {ago} s ago", "choice", "4.2.2", f"Last-Modified: -{ago} | Date: +0",
             "cache" if ago > 30 else "origin")
        for ago in (5, 10, 30, 60, 300, 600, 1200, 1800, 3600, 43200, 86400)
    ),
    once("a guessed lifetime of an attachment", "choice", "4.2.2",
         "Last-Modified: -100000 | Date: +0 | Content-Disposition: attachment; filename=example.txt", "cache",
         wait=False),
    once("no guess against Pragma: no-cache", "choice", "5.4", "Last-Modified: -10000 | Pragma: no-cache", "origin",
         wait=False),
]  # fmt: skip
