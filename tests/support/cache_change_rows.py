"""What a private HTTP cache does, as a table: stored fields, updates, invalidation, ranges, stale responses, the rest."""

from __future__ import annotations

from typing import Any

from cache_rows import Row, once, row, step

_FRESH = "Cache-Control: max-age=100000 | Last-Modified: +0 | Date: +0"
_HOUR = "Cache-Control: max-age=3600"

# Field, a value, another value; how the field is treated: "new" is updated by a 304, "may" too but needn't be, "own" is
# not (it is about the stored body), "hop" is not even stored.
_FIELDS = [
    ("Test-Header", "one", "two", "new"), ("X-Test-Header", "one", "two", "new"), ("Content-Foo", "one", "two", "new"),
    ("X-Content-Foo", "one", "two", "new"), ("Cache-Control", "max-age=1", "max-age=3600", "new"),
    ("Connection", "one", "two", "hop"), ("Content-Encoding", "one", "two", "own"), ("Content-Length", "5", "10", "own"),
    ("Content-Location", "/foo", "/bar", "may"),
    ("Content-MD5", "rL0Y20zC+Fzt72VPzMSk2A==", "N7UdGUp1E+RbVvZSTy1R8g==", "may"),
    ("Content-Range", "one", "two", "own"),
    ("Content-Security-Policy", "default-src 'self'", "default-src 'self' cdn.example.com", "may"),
    ("Content-Type", "text/plain", "text/plain;charset=utf-8", "own"), ("Clear-Site-Data", "cache", "cookies", "may"),
    ("ETag", '"abcdef"', '"ghijkl"', "tag"),
    ("Expires", "Fri, 01 Jan 2038 01:01:01 GMT", "Mon, 11 Jan 2038 11:11:11 GMT", "may"),
    ("Keep-Alive", "one", "two", "hop"), ("Proxy-Authenticate", "one", "two", "hop"),
    ("Proxy-Authentication-Info", "one", "two", "hop"), ("Proxy-Authorization", "one", "two", "hop"),
    ("Proxy-Connection", "one", "two", "hop"), ("Public-Key-Pins", "one", "two", "may"),
    ("Set-Cookie", "a=b", "a=c", "may"), ("Set-Cookie2", "a=b", "a=c", "may"), ("TE", "one", "two", "hop"),
    ("Transfer-Encoding", "one", "two", "hop"), ("Upgrade", "one", "two", "hop"), ("X-Frame-Options", "deny",
    "sameorigin", "may"), ("X-XSS-Protection", "1", "1; mode=block", "may"),
]  # fmt: skip


def _stored(name: str, value: str, kind: str) -> Row:
    gives = f"Date: +0 | {'~' if kind == 'hop' else ''}{name}: {value}"
    gives += "" if name == "Cache-Control" else f" | {_HOUR}"
    body: dict[str, Any] = {"check_body": name != "Content-Length"}
    shown = {"hides": name} if kind == "hop" else {"shows": f"{name}: {value}"}
    return row(f"{name} is {'not ' if kind == 'hop' else ''}stored", "must", "3.1",
               step(gives, wait=True, **body), step(sees="cache", **shown, **body))  # fmt: skip


def _updated(name: str, old: str, new: str, kind: str) -> Row:
    more = "" if name == "Cache-Control" else " | Cache-Control: max-age=2"
    body: dict[str, Any] = {"check_body": name != "Content-Length"}
    shown = f"{name}: {old if kind == 'own' else new}"
    mark = "~" if kind == "own" else ""
    return row(f"a 304 {'leaves' if kind == 'own' else 'updates'} {name}", "choice" if kind == "may" else "must", "3.2",
               step(f'Date: +0 | {mark}{name}: {old}{more} | ETag: "1"', wait=True, **body),
               step(f'Date: +0 | {mark}{name}: {new}{more} | ETag: "1"', sees="etag", shows=shown, **body),
               step(sees="cache", shows=shown, **body))  # fmt: skip


_2020 = "Wed, 01 Jan 2020 00:00:00 GMT"
FIELDS = [
    row("fields that Connection names are not stored", "must", "3.1",
        step(f"{_FRESH} | ~Connection: a, b | ~a: 1 | ~b: 2 | ~c: 3", wait=True),
        step(sees="cache", shows="c: 3", hides="a, b")),
    *(_stored(name, new, kind) for name, _, new, kind in _FIELDS),
    row("a 304 leaves what it does not name", "must", "4.3.4",
        step(f"Cache-Control: max-age=2 | Last-Modified: {_2020} | Date: +0 | Test-Header: one", wait=True),
        step(f"Last-Modified: {_2020} | Date: +0", sees="date", shows="Test-Header: one")),
    *(_updated(*entry) for entry in _FIELDS if entry[3] in {"new", "may", "own"}),
]  # fmt: skip


def _write(method: str) -> list[Row]:
    names = "Location: location_target | Content-Location: content_location_target"
    place = {"filename": "location_target"}, {"filename": "content_location_target"}
    do: dict[str, Any] = {"request_method": method, "request_body": "abc"}
    return [
        row(f"{method} invalidates its URL", "must", "4.4", step(_FRESH, wait=True), step(**do), step(sees="origin")),
        row(f"a failed {method} invalidates nothing", "should", "4.4", step(_FRESH, wait=True),
            step(response_status=[500, "Some"], **do), step(sees="cache")),
        *(
            row(f"{method} invalidates {what}", "choice", "4.4", step(_FRESH, **named),
                step(names, magic_locations=True, **do), step(_FRESH, sees="origin", **named))
            for what, named in zip(("its Location", "its Content-Location"), place, strict=True)
        ),
    ]  # fmt: skip


_AGES = "Cache-Control: max-age=2 | Template-A: 1"
_HEAD: dict[str, Any] = {"request_method": "HEAD", "expected_method": "HEAD"}
CHANGES = [
    *(entry for method in ("POST", "PUT", "DELETE", "M-SEARCH") for entry in _write(method)),
    row("a POST that names its own URL is stored for GET", "should", "RFC 9110 9.3.3",
        step("Expires: +2592000 | Content-Location: | Date: +0", sends="Content-Type: text/plain", wait=True,
             magic_locations=True, request_method="POST", request_body="12345"),
        step(sees="cache")),
    row("HEAD goes to the origin when the stored response is stale", "choice", "4.3.5", step(_AGES, wait=True),
        step(**_HEAD)),
    row("HEAD renews a stored response", "choice", "4.3.5", step(f'{_AGES} | ETag: "1"', wait=True),
        step('Cache-Control: max-age=1000 | ETag: "1" | Template-A: 2', **_HEAD), step(sees="cache", shows="Template-A: 2")),
    row("HEAD without a validator renews nothing", "choice", "4.3.5", step(_AGES, wait=True),
        step("Cache-Control: max-age=1000", **_HEAD), step(sees="origin")),
    row("HEAD that names no field shows none of the stored", "choice", "4.3.5", step(_AGES, wait=True),
        step(hides="Template-A", **_HEAD)),
    row("HEAD of a fresh response goes to the origin", "choice", "4.3.5", step(_FRESH, wait=True), step(**_HEAD),
        step(sees="cache")),
    row("HEAD with 410 renews nothing", "choice", "4.3.5", step(f'{_AGES} | ETag: "1"', wait=True),
        step('Cache-Control: max-age=1000 | ETag: "1"', response_status=[410, "Gone"], **_HEAD), step(sees="etag")),
]  # fmt: skip


def _range(name: str, asked: str, part: str, *, partial: bool) -> Row:
    first = step(f"{_HOUR} | Content-Range: bytes 4-8/9", sends="Range: bytes=-5", response_body="45678",
                 response_status=[206, "Partial Content"]) if partial else step(_HOUR, response_body="0123456789A")  # fmt: skip
    of = "a part" if partial else "the whole"
    return row(f"a range of {of}: {name}", "should", "3.3", first,
               step(sends=f"Range: bytes={asked}", sees="cache", expected_status=206, expected_response_text=part))  # fmt: skip


_TENTH = "Content-Range: bytes 4-9/10"
RANGES = [
    row("a part is stored, and the same range is served", "should", "3.3",
        step(f"{_HOUR} | {_TENTH}", sends="Range: bytes=-5", asks="Range: bytes=-5", response_body="01234",
             response_status=[206, "Partial Content"]),
        step(sends="Range: bytes=-5", sees="cache", expected_status=206, expected_response_text="01234")),
    *(
        row(f"no other range of a part whose Content-Range is wrong: {asked}", "choice", "3.3",
            step(f"{_HOUR} | {_TENTH}", sends="Range: bytes=-5", response_body="01234",
                 response_status=[206, "Partial Content"]),
            step(sends=f"Range: bytes={asked}", sees="origin", asks=f"Range: bytes={asked}"))
        for asked in ("6-8", "6-", "-1")
    ),
    _range("its middle", "6-7", "67", partial=True),
    _range("to its end", "6-", "678", partial=True),
    _range("its last byte", "-1", "8", partial=True),
    _range("its beginning", "0-1", "01", partial=False),
    _range("to its end", "1-", "123456789A", partial=False),
    _range("its last byte", "-1", "A", partial=False),
    row("a part without a tag is not completed", "choice", "3.4",
        step(f"{_HOUR} | Content-Range: bytes 0-4/10", sends="Range: bytes=-5", response_body="01234",
             response_status=[206, "Partial Content"]),
        step(sees="origin", expected_request_headers_missing=["Range"])),
    row("a part is completed, and both are one response", "should", "3.4",
        step(f'{_HOUR} | Content-Range: bytes 0-4/10 | ETag: "1"', sends="Range: bytes=0-4", response_body="01234",
             response_status=[206, "Partial Content"]),
        step(f'{_HOUR} | ~Content-Range: bytes 5-9/10 | ETag: "1"', asks="Range: bytes=5-", response_body="56789",
             response_status=[206, "Partial Content"], expected_status=200, expected_response_text="0123456789"),
        step(sees="cache", expected_response_text="0123456789")),
    row("a range of what is stored is not asked for", "must", "3.4", step(f"{_HOUR} | A: 1", response_body="01234567890"),
        step("A: 2", sends="Range: bytes=0-1", sees="cache", expected_status=206, expected_response_text="01")),
    row("a range keeps the stored fields", "must", "3.4", step(f"{_HOUR} | A: 1", response_body="01234567890"),
        step(sends="Range: bytes=0-1", sees="cache", expected_status=206, expected_response_text="01", shows="A: 1")),
]  # fmt: skip


def _forbidden(text: str) -> Row:
    return row(f"{text} forbids a stale response", "must", "4.2.4", step(f"Cache-Control: max-age=2, {text}", wait=True),
               step(disconnect=True, expected_status=None, check_body=False,
                    expected_response_headers_missing=["server-request-count"]))  # fmt: skip


_ERROR = "Cache-Control: max-age=2, stale-if-error=60"
_SOON = "Cache-Control: max-age=1, stale-while-revalidate="
STALE = [
    _forbidden("must-revalidate"),
    _forbidden("no-cache"),
    row("nothing stale where nobody allows it", "choice", "4.2.4", step(_AGES, wait=True),
        step(disconnect=True, expected_status=None, check_body=False)),
    row("nothing stale for a 503 where nobody allows it", "choice", "4.2.4", step(_AGES, wait=True),
        step(sees="origin", response_status=[503, "Some"])),
    row("stale-while-revalidate", "should", "RFC 5861 3", step(f'{_SOON}3600 | ETag: "abc"', wait=True),
        step(sees="cache")),
    row("stale-while-revalidate is over", "must", "RFC 5861 3", step(f'{_SOON}4 | ETag: "abc"', wait=True),
        step('~Cache-Control: no-cache | ~ETag: "def"', sees="cache", wait=True), step(shows="client-request-count: 3")),
    row("stale-if-error, the connection breaks", "choice", "RFC 5861 4", step(_ERROR, wait=True),
        step(disconnect=True, sees="cache")),
    row("stale-if-error, a 503", "choice", "RFC 5861 4", step(_ERROR, wait=True),
        step(response_status=[503, "Some"], expected_status=200, sees="cache")),
]  # fmt: skip

STALE += [
    row(f"a stale response has no Warning, {what}", "choice", "5.5", step(gives, wait=True),
        step(disconnect=True, sees="cache", hides="Warning"))
    for what, gives in [
        ("which became stale", _ERROR), ("which was stored stale", f"{_ERROR} | Age: 30 | Date: +0"),
        ("but for that of the origin", f'{_ERROR} | ~Connection: warning | ~Warning: 110 - "Response is Stale"'),
    ]
]  # fmt: skip

_MONTH = "Expires: +2592000 | Date: +0"
_LINK = [["link", "</styles.css>; rel=preload; as=style"], ["x-my-header", "test"]]
OTHER = [
    row("Age is added", "must", "5.1", step(_FRESH, wait=True), step(sees="cache",
        expected_response_headers=[["Age", ">", 2]])),
    row("Age counts on, with Expires", "must", "4.2.3", step(f"{_MONTH} | Age: 30", wait=True),
        step(sees="cache", expected_response_headers=[["Age", ">", 32]])),
    row("Age counts on, with max-age", "must", "4.2.3", step(f"{_FRESH} | Age: 30", wait=True),
        step(sees="cache", expected_response_headers=[["Age", ">", 32]])),
    row("Date stays", "must", "RFC 9110 6.6.1", step(_FRESH, wait=True), step(sees="cache", shows="Date: +0")),
    row("Date stays, with Expires", "must", "RFC 9110 6.6.1", step(_MONTH, wait=True), step(sees="cache", shows="Date: +0")),
    row("Expires stays", "choice", "5.3", step(_MONTH, wait=True), step(sees="cache", shows="Expires: +2592000")),
    row("another query is another resource", "must", "2", step(_FRESH, query_arg="test=a", wait=True),
        step(query_arg="test=b", sees="origin")),
    row("the same query is the same resource", "should", "2", step(_FRESH, query_arg="test=a", wait=True),
        step(query_arg="test=a", sees="cache")),
    once("an attachment with a lifetime", "choice", "3", f"{_FRESH} | Content-Disposition: attachment", "cache"),
    once("a response that sets a cookie", "should", "3", f"{_FRESH} | Set-Cookie: a=b", "cache"),
    row("a late response is no older for its client", "choice", "5.1", step(f"{_HOUR} | Date: +0", response_pause=5,
        hides="Age")),
    row("an interim 102 is not stored", "should", "3", step(_FRESH, interim_responses=[[102]]), step(sees="cache")),
    row("an interim 103 is not stored", "must", "3", step(_FRESH, interim_responses=[[103, _LINK]], hides="x-my-header"),
        step(sees="cache", hides="x-my-header, link")),
    row("a response to one user is not another's", "must", "3.5", step(_FRESH, sends="Authorization: FOO"),
        step(sees="origin"), step(sends="Authorization: BAR", sees="origin")),
    *(
        row(f"a response to one user is not another's, though it says {text}", "choice", "3.5",
            step(f"Cache-Control: max-age=3600, {text} | Date: +0", sends="Authorization: FOO", asks="Authorization: FOO"),
            step(sees="origin"), step(sends="Authorization: FOO", sees="cache"))
        for text in ("public", "must-revalidate", "s-maxage=3600")
    ),
    row("a response without cookies is not for a request with some", "choice", "3", step(_FRESH, wait=True),
        step(sends="Cookie: a=b", sees="origin")),
]  # fmt: skip
