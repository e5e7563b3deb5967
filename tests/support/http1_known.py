"""The differences between our reader of HTTP/1.1 and three others that are meant, each with its reason."""

from __future__ import annotations

from typing import NamedTuple

_OK = b"HTTP/1.1 200 OK\r\n"
_TWO = b"Content-Length: 2\r\n\r\nhi"
_CODED = _OK + b"Transfer-Encoding: "
_CHUNKED = _CODED + b"chunked\r\n\r\n"
_HI = b"2\r\nhi\r\n0\r\n\r\n"


class Known(NamedTuple):
    """A difference that is meant.

    Attributes:
        words: The words of the reader that refuses a response, as a pattern; "" where none does.
        within: What such a response has in it, as a pattern.
        why: Why we do otherwise.
        example: A response in point.
    """

    words: str
    within: bytes
    why: str
    example: bytes


TAKEN = {
    "a line that ends in LF alone": Known(
        r"Missing expected CR|Invalid header (?:field|value) char|Invalid response status",
        rb"(?<!\r)\n",
        "RFC 9112 section 2.2: a recipient may recognize a single LF",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    ),
    "a folded line": Known(
        r"Unexpected whitespace after header value|Invalid header value char|Duplicate Content-Length",
        rb"\n[ \t]",
        "RFC 9112 section 5.2: a user agent replaces the fold with a space",
        _OK + b"A: a\r\n b\r\n" + _TWO,
    ),
    "a control character in a value": Known(
        r"Invalid header value char|illegal header line",
        rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]",
        "RFC 9110 section 5.5: such characters may stay; llhttp refuses all of them, h11 some, aiohttp none",
        _OK + b"A: \x01\x0b\r\n" + _TWO,
    ),
    "a control character in a reason": Known(
        r"illegal status line",
        rb"HTTP/[0-9.]+ [0-9]+ .*[\x0b\x0c\x1c-\x1f]",
        "RFC 9112 section 4: a client should ignore the reason; llhttp and aiohttp take it",
        b"HTTP/1.1 200 O\x0bK\r\n" + _TWO,
    ),
    "an interim response that names close": Known(
        r"Data after `Connection: close`",
        rb"HTTP/1\.[0-9] 1(?:.*\n)*HTTP/",
        "RFC 9110 section 15.2: a final response follows",
        b"HTTP/1.1 103 X\r\nConnection: close\r\n\r\n" + _OK + _TWO,
    ),
    "an empty list of codings before another": Known(
        r"Empty Transfer-Encoding",
        rb"(?i)transfer-encoding:\s*\n(?:.*\n)*transfer-encoding:",
        "RFC 9110 section 5.6.1.2: empty elements of a list are ignored",
        _CODED + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + _HI,
    ),
    "empty lines before the status line": Known(
        r"no response line received",
        rb"(?:^|\n)\r?\n",
        "RFC 9112 section 2.2 has servers skip them; llhttp and aiohttp do",
        b"\r\n" + _OK + _TWO,
    ),
    "a later version": Known(
        r"Invalid HTTP version",
        rb"HTTP/1\.[2-9]",
        "RFC 9110 section 2.5: it is processed as the highest that is known",
        b"HTTP/1.2 200 OK\r\n" + _TWO,
    ),
    "equal lengths": Known(
        r"Duplicate Content-Length|Invalid character in Content-Length",
        rb"(?i)content-length:(?:.*\n[ \t])*.*(?:,|\n(?:.*\n)*content-length)",
        "RFC 9110 section 8.6: they count as one; h11 takes them, and so does aiohttp with our handler",
        _OK + b"Content-Length: 2\r\nContent-Length: 2, 2\r\n\r\nhi",
    ),
    "a length with many zeros before it": Known(
        r"bad Content-Length",
        rb"(?i)content-length:.*0[0-9]{20}",
        "RFC 9110 section 8.6: digits; h11 takes up to twenty, llhttp and aiohttp take them",
        _OK + b"Content-Length: 00000000000000000000002\r\n\r\nhi",
    ),
    "another coding than chunked": Known(
        r"Only Transfer-Encoding: chunked is supported|multiple Transfer-Encoding headers",
        rb"(?i)transfer-encoding:",
        "RFC 9112 section 7.2: h11 knows chunked alone, in one line",
        _CODED + b"gzip, chunked\r\n\r\n" + _HI,
    ),
    "whitespace within a chunk extension": Known(
        r"Invalid character in chunk|illegal chunk header",
        rb"[ \t](?:;|=)|(?:;|=)[ \t]|[;=][^\n]*[ \t]\r\n",
        "RFC 9110 section 5.6.3: a recipient must parse such whitespace",
        _CHUNKED + b"2 ; a = b\r\nhi\r\n0\r\n\r\n",
    ),
    "whitespace after a chunk's size": Known(
        r"Invalid character in chunk size",
        rb"[0-9A-Fa-f][ \t]+\r\n",
        "some servers pad it; h11 and aiohttp take it",
        _CHUNKED + b"2 \t\r\nhi\r\n0\r\n\r\n",
    ),
}

READ_OTHERWISE = {
    "a coding in a line that is folded": Known(
        "",
        rb"(?i)transfer-encoding:.*\n[ \t]",
        "RFC 9112 section 5.2: a fold is a space; llhttp forgets what stands on the other side of it",
        _CODED + b"gzip,\r\n chunked\r\n\r\n" + _HI,
    ),
    "a tab after a coding": Known(
        "",
        rb"(?i)transfer-encoding:.*chunked *\t",
        "RFC 9110 section 5.6.3: it is no part of the value; llhttp takes it for one, so that nothing is chunked",
        _CODED + b"chunked\t\r\n\r\n" + _HI,
    ),
}

REFUSED = {
    "an interim response with a body": Known(
        r"an interim response says that it has a body",
        rb"HTTP/1\.[0-9] 1",
        "RFC 9110 section 8.6, RFC 9112 section 6.1: a server must not send it",
        b"HTTP/1.1 103 X\r\nContent-Length: 2\r\n\r\n" + _OK + _TWO,
    ),
    "a coding in a trailer": Known(
        r"a trailer says where its body ends",
        rb"(?i)\n0.*\n(?:.*\n)*(?:transfer-encoding|content-length):",
        "RFC 9110 section 6.5.1: a sender must not put framing into a trailer",
        _CHUNKED + b"2\r\nhi\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    "a chunk extension without a name": Known(
        r"a chunk of its body has no valid size",
        rb"\n[0-9A-Fa-f]+;.*\r\n",
        "RFC 9112 section 7.1.1: an extension is a token",
        _CHUNKED + b"2;=b\r\nhi\r\n0\r\n\r\n",
    ),
}

KEPT = {
    "a response of HTTP/1.0 that says keep-alive": Known(
        "",
        rb"HTTP/1\.0 [2-9]",
        "RFC 9112 section 9.3: the connection persists; h11 keeps none, aiohttp none after HEAD without a length",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
    ),
}
