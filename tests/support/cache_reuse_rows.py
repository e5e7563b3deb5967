"""What a private HTTP cache does, as a table: directives, statuses, Vary, validators, updates, ranges, staleness."""

from __future__ import annotations

from cache_rows import Row, once, row, step

_FRESH = "Expires: +100000 | Cache-Control: max-age=100000 | Last-Modified: +0 | Date: +0"
_STALE = "Expires: -5000 | Last-Modified: -100000 | Date: +0"
_HOUR = "Cache-Control: max-age=3600"

_OLD = "Cache-Control: max-age=10000 | Expires: +10000 | Date: +0"
DIRECTIVES = [
    once("private", "should", "5.2.2.7", "Cache-Control: private, max-age=3600", "cache", wait=False),
    once("no-store", "must", "5.2.2.5", "Cache-Control: no-store", "origin", wait=False),
    once("No-StOrE", "must", "5.2.2.5", "Cache-Control: No-StOrE", "origin", wait=False),
    once("no-store beside lifetimes", "must", "5.2.2.5",
         "Cache-Control: max-age=10000, no-store | Expires: +10000 | Date: +0", "origin", wait=False),
    *(
        row(f"a later {text} leaves the stored response alone", "must", "5.2.2.5", step(f"{_OLD} | A: 1", wait=True),
            step(f"Cache-Control: {text} | Date: +0 | A: 2", wait=True), step(sees="cache", shows="a: 1"))
        for text in ("no-store", "no-store, max-age=0")
    ),
    *(
        once(f"{text} beside lifetimes", "must", "5.2.2.4",
             f"Cache-Control: max-age=10000, {text} | Expires: +10000 | Date: +0", "origin", wait=False)
        for text in ("no-cache", "No-CaChE")
    ),
    once("no-cache is stored and revalidated", "should", "5.2.2.4", 'Cache-Control: no-cache | ETag: "abcd"', "etag",
         wait=False),
    once("no-cache beside lifetimes is revalidated", "should", "5.2.2.4",
         'Cache-Control: max-age=10000, no-cache | Expires: +10000 | Date: +0 | ETag: "abcd"', "etag", wait=False),
    *(
        once(f"no-cache of {names} counts for the whole response", "choice", "5.2.2.4",
             f'Cache-Control: no-cache="{names}" | a: 1 | b: 2 | Cache-Control: max-age=3600 | Date: +0', "origin")
        for names in ("a", "a, b")
    ),
    once("must-revalidate while fresh", "should", "5.2.2.2",
         'Cache-Control: max-age=10000, must-revalidate | ETag: "abcd"', "cache", wait=False),
    row("must-revalidate once stale", "must", "5.2.2.2",
        step('Cache-Control: max-age=2, must-revalidate | ETag: "abcd"'),
        step('Cache-Control: max-age=2, must-revalidate | ETag: "abcd"', sees="cache", wait=True), step(sees="etag")),
    row("immutable while fresh, at a reload", "should", "RFC 8246 2",
        step('Cache-Control: max-age=10000, immutable | ETag: "abcd"', wait=True), step(sees="cache", cache="no-cache")),
    row("immutable once stale", "must", "RFC 8246 2",
        step('Cache-Control: max-age=2, immutable | ETag: "abcd"', wait=True),
        step(sees="etag", cache="no-cache", asks="cache-control: max-age=0")),
]  # fmt: skip


def _wish(name: str, gives: str, sends: str, sees: str, *, wait: bool = False) -> Row:
    return row(name, "choice", "5.2.1", step(gives, wait=wait), step(sends=sends, sees=sees))


WISHES = [
    _wish("a request's max-age=0", _FRESH, "Cache-Control: max-age=0", "origin", wait=True),
    _wish("a request's max-age=1", _FRESH, "Cache-Control: max-age=1", "origin", wait=True),
    _wish("a request's max-age below Age", f"{_HOUR} | Age: 1800", "Cache-Control: max-age=600", "origin"),
    _wish("a request's max-stale", "Cache-Control: max-age=1", "Cache-Control: max-stale=1000", "cache", wait=True),
    _wish("a request's max-stale and Age", "Cache-Control: max-age=1500 | Age: 2000", "Cache-Control: max-stale=1000",
          "cache"),
    _wish("a request's min-fresh", "Cache-Control: max-age=1500", "Cache-Control: min-fresh=2000", "origin"),
    _wish("a request's min-fresh and Age", "Cache-Control: max-age=1500 | Age: 1000", "Cache-Control: min-fresh=1000",
          "origin"),
    _wish("a request's no-cache", _HOUR, "Cache-Control: no-cache", "origin"),
    _wish("a request's no-cache, by date", f"{_HOUR} | Last-Modified: -10000 | Date: +0", "Cache-Control: no-cache",
          "date"),
    _wish("a request's no-cache, by tag", f'{_HOUR} | ETag: "abc"', "Cache-Control: no-cache", "etag"),
    _wish("a request's no-store", _HOUR, "Cache-Control: no-store", "origin"),
    row("a request's only-if-cached", "choice", "5.2.1.7",
        step(sends="Cache-Control: only-if-cached", expected_status=504, expected_response_text=None)),
    _wish("a request's Pragma: no-cache", _HOUR, "Pragma: no-cache", "origin"),
    _wish("a request's Pragma of another kind", _HOUR, "Pragma: unrecognised-extension", "cache"),
    once("a response's Pragma: no-cache says nothing", "choice", "5.4", f"{_HOUR} | Pragma: no-cache", "cache"),
    once("a response's Pragma of another kind", "choice", "5.4", f"{_HOUR} | Pragma: unrecognised-extension", "cache"),
]  # fmt: skip


def _status(status: int) -> list[Row]:
    body = {"response_body": None if status == 204 else f"body of {status}"}
    answer = {"response_status": [status, "Some"], **body}
    return [
        row(f"a fresh {status}", "should", "3", step(_FRESH, wait=True, **answer), step(sees="cache", **answer)),
        row(f"a stale {status}", "must", "3", step(_STALE, **answer), step(sees="origin", **body)),
    ]


_UNDERSTOOD = "Cache-Control: max-age=3600, no-store, must-understand"
STATUSES = [
    *(
        entry
        for status in (200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599)
        for entry in _status(status)
    ),
    row("must-understand with a status that nobody knows", "must", "5.2.2.3",
        step(_UNDERSTOOD, response_status=[599, "Some"]), step(sees="origin")),
    once("must-understand with a known status", "should", "5.2.2.3", _UNDERSTOOD, "cache", wait=False),
]  # fmt: skip

_BASE = "Cache-Control: max-age=5000 | Last-Modified: -3000 | Date: +0"
_ONE, _TWO, _THREE = f"{_BASE} | Vary: Foo", f"{_BASE} | ~Vary: Foo, Bar", f"{_BASE} | ~Vary: Foo, Bar, Baz"
_LANGUAGE = f"{_BASE} | Vary: Accept-Language"


def _vary(name: str, kind: str, gives: str, first: str, then: str, sees: str) -> Row:
    return row(name, kind, "4.1", step(gives, sends=first), step(sends=then, sees=sees))


VARY = [
    _vary("Vary: the same", "should", _ONE, "Foo: 1", "Foo: 1", "cache"),
    _vary("Vary: another value", "must", _ONE, "Foo: 1", "Foo: 2", "origin"),
    _vary("Vary: the stored request has none", "must", _ONE, "", "Foo: 1", "origin"),
    _vary("Vary: this request has none", "must", _ONE, "Foo: 1", "", "origin"),
    row("Vary: two are stored beside each other", "should", "4.1", step(_ONE, sends="Foo: 1", response_body="of one"),
        step(_ONE, sends="Foo: 2", sees="origin", response_body="of two"),
        step(sends="Foo: 1", response_body="of one", sees="cache"),
        step(sends="Foo: 2", response_body="of two", sees="cache")),
    _vary("Vary: other headers don't count", "should", _ONE, "Foo: 1 | Other: 2", "Foo: 1 | Other: 3", "cache"),
    _vary("Vary by two: the same", "should", _TWO, "Foo: 1 | Bar: abc", "Foo: 1 | Bar: abc", "cache"),
    _vary("Vary by two: one differs", "must", _TWO, "Foo: 1 | Bar: abc", "Foo: 2 | Bar: abc", "origin"),
    _vary("Vary by two: this request has none", "must", _TWO, "Foo: 1 | Bar: abc", "", "origin"),
    _vary("Vary by three: the same", "should", _THREE, "Foo: 1 | Bar: abc | Baz: 789", "Foo: 1 | Bar: abc | Baz: 789",
          "cache"),
    _vary("Vary by three: one differs", "must", _THREE, "Foo: 1 | Bar: abc | Baz: 789", "Foo: 2 | Bar: abc | Baz: 789",
          "origin"),
    _vary("Vary by three: one differs, in another order", "must", _THREE, "Foo: 1 | Bar: abc | Baz: 789",
          "Foo: 1 | Baz: 789 | Bar: abcde", "origin"),
    _vary("Vary by three: both leave one out", "should", _THREE, "Foo: 1 | Baz: 789", "Foo: 1 | Baz: 789", "cache"),
    *(
        _vary(f"Vary: {what}", "must", f"{_BASE} | {vary}", "Foo: 1 | Baz: 789", "Foo: 1 | Baz: 789", "origin")
        for what, vary in [
            ("*", "Vary: *"), ("*, *", "~Vary: *, *"), ("* in two lines", "~Vary: * | ~Vary: *"),
            (", *", "~Vary: , *"), ("an empty line and *", "~Vary:  | ~Vary: *"), ("*, Foo", "~Vary: *, Foo"),
            ("Foo, *", "~Vary: Foo, *"),
        ]
    ),
    _vary("Vary: lines are one list", "should", _ONE, "Foo: 1, 2", "Foo: 1 | Foo: 2", "cache"),
    _vary("Vary: space between elements", "should", _ONE, "Foo: 1,2", "Foo:  1, 2 ", "cache"),
    _vary("Vary: languages in another order", "choice", _LANGUAGE, "Accept-Language: en, de", "Accept-Language: de, en",
          "origin"),
    _vary("Vary: languages in upper case", "should", _LANGUAGE, "Accept-Language: en, de", "Accept-Language: eN, De",
          "cache"),
    _vary("Vary: space between languages", "should", _LANGUAGE, "Accept-Language: en, de",
          "Accept-Language:  en ,   de", "cache"),
    _vary("Vary: the language that the response has", "should", f"{_LANGUAGE} | Content-Language: de",
          "Accept-Language: en, de", "Accept-Language: fr;q=0.5, de;q=1.0", "cache"),
    _vary("Vary: another language is preferred", "must", f"{_LANGUAGE} | Content-Language: de",
          "Accept-Language: en, de", "Accept-Language: fr, de;q=0.5", "origin"),
    _vary("Vary: languages with other weights", "must", _LANGUAGE, "Accept-Language: en, de;q=0.5",
          "Accept-Language: en;q=0.5, de", "origin"),
]  # fmt: skip


def _condition(name: str, tag: str, asked: str, status: int, kind: str = "choice") -> Row:
    return row(f"If-None-Match: {name}", kind, "4.3.2", step(f"{_FRESH} | ETag: {tag}", wait=True),
               step(sends=f"If-None-Match: {asked}", sees="cache", expected_status=status,
                    expected_response_text=None))  # fmt: skip


def _generated(tag: str, kind: str) -> Row:
    return row(f"a stale response is revalidated by {tag}", kind, "4.3.1",
               step(f"Cache-Control: max-age=2 | ETag: {tag}", wait=True), step(asks=f"If-None-Match: {tag}", sees="etag"))  # fmt: skip


_ABC = '"abcdef"'
_ODD = {
    "no ASCII": '"abcdef\u00fc"', "no UTF-8": '"abcdef\udcfc"', "with spaces": '"a b  c"', "with a small w": 'w/"abcdef"',
    "with a backslash": 'W\\"abcdef"', "without the slash": 'W"abcdef"', "without quotes": "abc", "half quoted": 'abc"',
}  # fmt: skip
_EARLIER = "Cache-Control: max-age=100000 | Last-Modified: -3000 | Date: +0"
CONDITIONS = [
    _condition("the same tag", _ABC, _ABC, 304),
    _condition("the same weak tag", f"W/{_ABC}", f"W/{_ABC}", 304),
    _condition("the first of three tags", _ABC, f'{_ABC}, "1234", "5678"', 304),
    _condition("the second of three tags", _ABC, f'"1234", {_ABC}, "5678"', 304),
    _condition("the last of three tags", _ABC, f'"1234", "5678", {_ABC}', 304),
    row("If-None-Match: a 304 has the ETag", "must", "4.3.4", step(f"{_FRESH} | ETag: {_ABC}", wait=True),
        step(sends=f"If-None-Match: {_ABC}", sees="cache", expected_status=304, shows=f"ETag: {_ABC}")),
    row("If-None-Match goes before If-Modified-Since", "must", "4.3.2",
        step(f"{_EARLIER} | ETag: {_ABC}", wait=True),
        step(sends=f"If-None-Match: {_ABC} | If-Modified-Since: -9000", magic_ims=True, sees="cache",
             expected_status=304)),
    row("If-None-Match without a stored response is passed on", "choice", "4.3.2",
        step(sends=f"If-None-Match: {_ABC}", asks=f"If-None-Match: {_ABC}")),
    *(
        row(f"If-Modified-Since: {what}", "choice", "4.3.2", step(_EARLIER, wait=True),
            step(sends=f"If-Modified-Since: {since}", magic_ims=True, sees="cache", expected_status=304))
        for what, since in [("the same date", -3000), ("a later date", -2000)]
    ),
    row("If-Modified-Since: the stored response is stale", "choice", "4.3.2",
        step("Cache-Control: max-age=2 | Last-Modified: -3000 | Date: +0", wait=True),
        step(sends="If-Modified-Since: -3000", magic_ims=True, sees="date", expected_status=304)),
    row("a revalidation sends what the response varies by", "must", "4.3.1",
        step(f"Expires: +1 | ETag: {_ABC} | Date: +0 | Vary: Abc", sends="Abc: 123", wait=True),
        step(sends="Abc: 123", sees="etag", asks="Abc: 123")),
    row("If-Modified-Since: no Last-Modified is stored, and the response is newer", "choice", "4.3.2",
        step("Cache-Control: max-age=10000 | Date: +0", wait=True),
        step(sends="If-Modified-Since: -3000", magic_ims=True, sees="cache")),
    row("If-Modified-Since: the same date in the form of RFC 850", "choice", "4.3.2", step(_EARLIER, wait=True),
        step(sends="If-Modified-Since: -3000", magic_ims=True, rfc850date=["if-modified-since"], sees="cache",
             expected_status=304)),
    *(_condition(f"the same odd tag, {what}", tag, tag, 304 if tag[0] == '"' else 200) for what, tag in _ODD.items()),
    *(
        _condition(f"{what}", tag, asked, 200)
        for what, tag, asked in [
            ("without quotes, the stored tag has some", _ABC, "abcdef"),
            ("with quotes, the stored tag has none", "abcdef", _ABC),
            ("another tag", _ABC, '"ghijkl"'),
            ("other upper and lower case", _ABC, '"ABCDEF"'),
        ]
    ),
    _condition("the weak form of a strong tag", _ABC, f"W/{_ABC}", 304),
    _condition("any", _ABC, "*", 304),
    row("If-None-Match without quotes is passed on as it is", "choice", "4.3.2",
        step(sends="If-None-Match: abcdef", asks="If-None-Match: abcdef")),
    row("a tag of another variant revalidates nothing", "choice", "4.1",
        step(f"Expires: +10000 | ETag: {_ABC} | Date: +0 | Vary: Abc", sends="Abc: 123", wait=True),
        step(sends="Abc: 456", sees="origin", expected_request_headers_missing=["If-None-Match"])),
    row("a request's no-cache, by a tag without quotes", "choice", "5.2.1.4", step(f"{_HOUR} | ETag: abc"),
        step(sends="Cache-Control: no-cache", sees="etag", asks="If-None-Match: abc")),
    _generated(_ABC, "should"),
    _generated(f"W/{_ABC}", "should"),
    *(_generated(tag, "choice") for tag in ("abcdef", *_ODD.values())),
]  # fmt: skip
