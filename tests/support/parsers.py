"""Every parser of ours for what a server sends, in one table. Each new parser gets an entry.

`tests/sansio/test_linear.py` checks that each takes time in proportion to its input, `tests/sansio/test_hostile.py` that
no input breaks it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from multidict import CIMultiDict
from yarl import URL

from asyncapi.credentials.base import Signature
from asyncapi.errors import AsyncAPIError, RPCError, status_error
from asyncapi.layers.redirect import follow
from asyncapi.messages import decoding, json_text, uri
from asyncapi.redact import redact_broken, redact_headers, redact_url
from asyncapi.sansio.auth import digest, oauth, oauth_errors
from asyncapi.sansio.auth.aws_quirks import skew
from asyncapi.sansio.auth.trace_masks import Masks
from asyncapi.sansio.failures.propagation import TIMEOUT_HEADERS, read_timeout
from asyncapi.sansio.http import (
    altsvc,
    caching,
    codings,
    cookies,
    field_sections,
    page_ends,
    partial_content,
    proxies,
    sse,
    validation,
)
from asyncapi.sansio.http.cache_control import directives
from asyncapi.sansio.http.fields import elements
from asyncapi.sansio.http.http_date import http_date
from asyncapi.sansio.http.link import links
from asyncapi.sansio.http.multipart_mixed import MultipartParser, boundary_of
from asyncapi.sansio.http.ndjson import ChunkParser, LineParser
from asyncapi.sansio.http.ranges import part_of, validator
from asyncapi.sansio.http.retry_after import retry_after, should_retry
from asyncapi.sansio.http.structured_fields import parse_dictionary, parse_list
from asyncapi.sansio.http2.events import ConnectionFault
from asyncapi.sansio.http2.huffman import decoded
from asyncapi.sansio.http2.limits import Limits
from asyncapi.sansio.http2.pure import PureEngine
from asyncapi.sansio.http2.unpacking import Unpacker
from asyncapi.sansio.limits.key_rotation import read_limit
from asyncapi.sansio.limits.ratelimit_headers import quotas
from asyncapi.sansio.rpc import connect_errors, metadata, web
from asyncapi.sansio.rpc.envelopes import Envelopes
from asyncapi.sansio.rpc.packed import packed_details, retry_delay
from asyncapi.types import Request, Response

NOW = 1_700_000_000.0


class Parser(NamedTuple):
    """One reader of text.

    Attributes:
        read: Reads the text to its end.
        worst: Hard texts for this parser beside `HOSTILE`: the beginning, the part that is repeated, the end.
        raises: Its documented errors.
    """

    read: Callable[[str], Any]
    worst: tuple[tuple[str, str, str], ...] = ()
    raises: tuple[type[Exception], ...] = ()


def _cached(text: str) -> None:
    names = ("Cache-Control", "Age", "Expires", "Vary", "Connection", "ETag", "A")
    headers = CIMultiDict((name, text) for name in names)
    caching.concerns("GET", headers)
    fetched = caching.Fetched(NOW, NOW, headers)
    found = caching.store(200, headers, b"", fetched._replace(heuristic=0.1), version="1.1", identity="")
    stored = found or caching.store(
        200, CIMultiDict({"ETag": text or "1", "Vary": "A", "Cache-Control": "max-age=1"}), b"",
        fetched, version="1.1", identity="",
    )  # fmt: skip
    assert stored is not None
    caching.choose([tuple(stored)], "", headers)
    caching.usable(stored, headers, NOW)
    caching.usable_on_error(stored, headers, NOW, 1.0)
    caching.usable_meanwhile(stored, headers, NOW)
    caching.conditions(stored)
    caching.freshened(stored, headers, fetched)
    caching.outdated(stored, headers)


def _conditions(text: str) -> None:
    """The caller's conditions and ranges, and parts, against what is stored."""
    known = CIMultiDict(dict.fromkeys(("ETag", "Last-Modified", "Content-Range", "Content-Language", "Date"), text))
    known.update({"Cache-Control": "max-age=60", "Vary": "Accept-Language"})
    stored = caching.made(200, known, b"", caching.Fetched(NOW, NOW, CIMultiDict()), version="1.1", identity="")
    validation.held(CIMultiDict({"If-None-Match": text}))
    for name in ("If-None-Match", "If-Modified-Since"):
        validation.not_modified(stored, CIMultiDict({name: text}))
    caching.choose([tuple(stored)], "", CIMultiDict({"Accept-Language": text}))
    partial_content.cut(stored, CIMultiDict({"Range": text, "If-Range": text}))
    asked = CIMultiDict({"Range": "bytes=0-1", "Accept-Language": text})
    part = partial_content.store(known, b"", caching.Fetched(NOW, NOW, asked), version="1.1", identity="")
    if part is not None:
        partial_content.joined(part, part)
        partial_content.rest_of(part)
        partial_content.cut(part, CIMultiDict({"Range": "bytes=0-0"}))
        partial_content.choose_part([tuple(part)], "", asked)


def _limits(*names: str) -> Callable[[str], Any]:
    return lambda text: quotas(CIMultiDict([(name, text) for name in (*names, *names)]), NOW)


def _echoed(text: str) -> None:
    request = Request("GET", "https://h/?key=s3cr3t")
    response = Response(400, {"Link": text, "Location": text}, text.encode("utf-8", "surrogateescape"), url=request.url)
    Signature(params=(("key", "s3cr3t"),), secrets=("s3cr3t",)).erase(response, request)


def _joined(text: str) -> None:
    base = uri.parse("https://h/a/b?c#d")
    uri.with_user_info(uri.with_replaced(uri.join(base, text), [("c", "1")]), base)


def _cookies(text: str) -> None:
    jar = cookies.Jar()
    fields = [
        text,
        f"a={text}",
        f"a=1; Domain={text}",
        f"a=1; Path={text}",
        f"a=1; Expires={text}",
        f"a=1; Max-Age={text}",
    ]
    jar.keep(fields, secure=True, host="a.h.example", path="/a/b", now=NOW)
    jar.header(secure=True, host="a.h.example", path="/a/b", now=NOW, given=text)


def _limited(text: str) -> None:
    content = text.encode("utf-8", "surrogateescape")
    headers = CIMultiDict({"X-RateLimit-Remaining": text, "X-RateLimit-Reset": text})
    read_limit(403, headers, content, NOW)
    read_limit(429, CIMultiDict({"Retry-After": text}), content, NOW)


def _coded(*lines: str) -> None:
    coding = codings.decoding(lines, lines)
    if coding is not None:
        coding.step(b"a", 1)
        coding.end()


def _bytes(read: Callable[[bytes], Any]) -> Callable[[str], Any]:
    return lambda text: read(text.encode("utf-8", "surrogateescape"))


def _field_section(text: str) -> None:
    line = text.encode("utf-8", "surrogateescape")
    status, fields = field_sections.response_section([(b":status", b"200"), (b"content-length", line)], 1 << 20)
    assert status == 200
    field_sections.content_length(fields)


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _frames(text: str) -> None:
    engine = PureEngine(window=1 << 20, whole=0, limits=Limits())
    engine.open()
    engine.request("GET", "https", "a.example", "/", (), end=True)
    engine.receive(b"\0\0\0\x04\0\0\0\0\0" + b"\0\0\x01\x01\x04\0\0\0\x01\x88" + _octets(text))


def _envelopes(text: str) -> object:
    reader = Envelopes()
    found = [message for octet in _octets(text) for message in reader.feed(bytes((octet,)))]
    reader.end()
    return found


PARSERS: dict[str, Parser] = {
    "a list": Parser(lambda text: [*elements([text])]),
    "Cache-Control": Parser(
        lambda text: directives(CIMultiDict([("Cache-Control", text), ("Pragma", text)])), (("", "a", ";"),)
    ),
    "the headers of a stored response": Parser(_cached),
    "a caller's conditions and ranges": Parser(
        _conditions, worst=(("", '"a", ', ""), ("", "de;q=0.1,", ""), ("bytes=", "1", "-"))
    ),
    "an HTTP date": Parser(lambda text: http_date(text, NOW), (("Sun, 06 Nov 1994 08:49:37", " ", "GMT"),)),
    "Link": Parser(
        lambda text: [*links([text]), *links(text.split("|"))],
        (("", ", ", "x>"), ("", "<>; ", ">"), ("", '<>;a="\\" ', ">"), ("", "<>;a= ", '">'), ("<>;", " ", '"<>')),
    ),
    "Alt-Svc": Parser(
        lambda text: altsvc.parse([text, f'h3="{text}"; ma={text}; persist="{text}"']),
        (
            ("", "h3=", '":1"'),
            ('h3="', "\\a", ""),
            ('h3=":1"', ";a=b", ";"),
            ('h3="', ".", ':1"'),
            ("", "%41", '=":1"'),
        ),
    ),
    "an error of Connect": Parser(
        lambda text: connect_errors.error_of(500, "application/json", _octets(text), metadata.NONE),
        (('{"code":"aborted","details":[', '{"type":"a","value":"AA"},', "{}]}"), ("", '{"code":', "")),
    ),
    "the end of a Connect stream": Parser(
        lambda text: connect_errors.end_of_stream(_octets(text)), (('{"metadata":{"a":[', '"b",', '"c"]}}'),)
    ),
    "trailers of grpc-web": Parser(
        lambda text: web.trailers(_octets(text)),
        (("", "a: b\r\n", ""), ("", "a", ":"), ("a:", " ", "")),
        raises=(RPCError,),
    ),
    "base64 of grpc-web": Parser(
        lambda text: web.Base64Reader().feed(_octets(text)),
        (("", "AA==", ""), ("", "A", ""), ("", " ", "A")),
        raises=(RPCError,),
    ),
    "envelopes of RPCs": Parser(
        _envelopes, (("", "\0\0\0\0\0", ""), ("", "\0\0\0\0\x01a", ""), ("", "\0\0\0\x40", "")), raises=(RPCError,)
    ),
    "metadata of RPCs": Parser(
        lambda text: (metadata.read([("a-bin", text), ("b", text)]).items(), metadata.message_of(text)),
        (("", "AA,", ""), ("", "%C3", ""), ("", ",", ""), ("", "=", "A")),
    ),
    "details of google.rpc": Parser(
        lambda text: (packed_details(_octets(text)), retry_delay(_octets(text))),
        (("", "\x1a\0", ""), ("", "\x1a\x02\x0a\0", ""), ("\x1a", "\x7f", "")),
    ),
    "a field section": Parser(_field_section, raises=(field_sections.BadSection,)),
    "a header block": Parser(
        lambda text: Unpacker(Limits(head=1 << 20)).unpack(_octets(text)),
        (("", "\0\x01a\x01b", ""), ("", "@\x01a\x01b", ""), ("@\x01a\x01b", "~\x01c", ""), ("", "?\x01", "")),
        raises=(ConnectionFault,),
    ),
    "frames of HTTP/2": Parser(
        _frames,
        (
            ("", "\0\0\x01\0\0\0\0\0\x01a", ""),
            ("", "\0\0\0\x09\0\0\0\0\x01", ""),
            ("", "\0\0\x04\x08\0\0\0\0\0\0\0\0\x01", ""),
            ("\0\x40\0", "\0", ""),
        ),
    ),
    "a Huffman-coded string": Parser(lambda text: decoded(_octets(text)), (("", "\x7f", ""), ("", "\xff", ""))),
    "WWW-Authenticate": Parser(
        lambda text: digest.read([text, f"Digest {text}"]),
        (("Digest a", " ", '"'), ("Digest a=", " ", '"'), ('Digest a="', "\\", ""), ("Digest ", 'a="b",', "")),
    ),
    "Authentication-Info": Parser(digest.read_nextnonce),
    "RateLimit": Parser(_limits("RateLimit", "RateLimit-Policy"), (("", '"a";r=1,', ""), ("", '"a\\"', ""))),
    "X-RateLimit": Parser(
        _limits("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Resource", "Date"),
        (("", "1m", "x"), ("", "1.1", ""), ("2023-11-14T22:13:30.", "1", "")),
    ),
    "other rate limits": Parser(
        _limits("RateLimit-Limit", "RateLimit-Reset", "anthropic-ratelimit-tokens-reset", "x-ratelimit-reset-tokens")
    ),
    "the name of a rate limit": Parser(
        lambda text: quotas(CIMultiDict({f"X-RateLimit-Limit-{text}": "1", f"anthropic-ratelimit-{text}": "1"}), NOW),
        (("", "-limit", ""),),
    ),
    "a structured list": Parser(parse_list, (("", "(", ""), ("", "a;a=1", ""), ('"', "\\\\", ""), ('%"', "%c3", '"'))),
    "a structured dictionary": Parser(parse_dictionary, (("", "a=1,", ""), ("a=", "a=1;", ""), ("", "a, ", "a"))),
    "Retry-After": Parser(
        lambda text: (
            retry_after(CIMultiDict([("Retry-After", text), ("Retry-After-Ms", text), ("Date", text)]), NOW),
            should_retry(CIMultiDict({"X-Should-Retry": text})),
        )
    ),
    "the validator of a download": Parser(
        lambda text: (
            validator(CIMultiDict([("ETag", text), ("Accept-Ranges", text), ("Content-Range", text)])),
            validator(CIMultiDict([("Last-Modified", text), ("Date", text)])),
        )
    ),
    "Content-Range": Parser(
        lambda text: part_of(206, CIMultiDict({"Content-Range": text, "Content-Length": text})),
        (("bytes ", "1", ""), ("bytes", " ", "1-2/3"), ("bytes 1-2/", "3", "")),
    ),
    "the codings of a body": Parser(_coded, (("", "gzip,", ""), ("", "gzip;", ",a")), (codings.CodingError,)),
    "the boundary of parts": Parser(
        boundary_of, (("", "; boundary=", ""), ('; a="', "\\", ""), ("; boundary=", "a", "")), (AsyncAPIError,)
    ),
    "charset": Parser(decoding.charset, (("text/html; charset=", "a", ""), ("text/html;charset*0*=", "%", ""))),
    "JSON": Parser(
        _bytes(lambda content: decoding.json(content, "application/json")),
        (("", "[", ""), ("", '{"a":', ""), ("", "[1,", ""), ('"', "\\u00e9", "")),
        (AsyncAPIError,),
    ),
    "JSON with halves of surrogate pairs": Parser(
        _bytes(json_text.mended), (('"', "\\ud83d", '"'), ('"', "\\", "ud83d"), ('"', "\\ud83d\\ude00", '"'))
    ),
    "JSON that is deep": Parser(json_text.deep, (("", "[", ""), ("", '{"a":', ""), ("", "[1,", "")), (ValueError,)),
    "the sign of a last page": Parser(
        lambda text: (page_ends.says_yes(text), page_ends.link_of({"href": text}, "next"), page_ends.whole(text))
    ),
    "why an authorization server refuses": Parser(
        _bytes(oauth_errors.read_refusal),
        (
            ("", "<script>", ""),
            ("", "<", ""),
            ("", "a=b&", ""),
            ("error=", "%", ""),
            ("", "eyJaaaaaaaa.", ""),
            ("", "a='", ""),
            ("", "a=a", " "),
            ("", '{"error":', ""),
            ("", '[{"message":', ""),
        ),
    ),
    "whether a refusal is a rate limit's": Parser(_limited, (("", "rate limit ", ""), ("", "secondary rate", ""))),
    "a response of a token endpoint": Parser(
        _bytes(lambda content: oauth.read_token(200, content, NOW)), (("", '{"a":1,', ""),), (oauth.Refused,)
    ),
    "a refusal of a token endpoint": Parser(
        _bytes(lambda content: oauth.read_json(400, content)), (('{"error":"', "a", '"}'),), (oauth.Refused,)
    ),
    "Location": Parser(
        lambda text: follow(Request("GET", "https://h/a/b?c"), Response(302, {"Location": text}, url="https://h/a/b")),
        (("", "../", ""), ("//", "a@", ""), ("/", "%", ""), ("https://", "a", ":@h"), ("", "/..", "")),
        (AsyncAPIError,),
    ),
    "a reference": Parser(
        _joined,
        (("", "../", ""), ("", "a/", "/.."), ("//", "\u00e9", ""), ("//", "a.", ""), ("?", "c&", "")),
        (ValueError,),
    ),
    "Set-Cookie": Parser(
        _cookies, (("", "a=", ""), ("", "a;", ""), ("", "Path=/;", ""), ("", "1:", ""), ("", "1 ", ""))
    ),
    "no_proxy, which is the environment's": Parser(
        lambda text: (proxies.is_exempt(text, "h.example", 443), proxies.is_exempt(text, "::1", 443)),
        (("", "a,", ""), ("", "1.", ""), ("", "*", ""), ("", "::", ""), ("", "a:", "1"), ("", "\u00e9", "")),
    ),
    "a URL that is shown": Parser(
        lambda text: (redact_broken(text), redact_url(text), redact_headers(CIMultiDict({"Link": text, "A": text}))),
        (("", "//", ""), ("", "//a@", ""), ("", "?token=", ""), ("", "token=a&", "")),
    ),
    "a URL that repeats a secret": Parser(_echoed, (("", "?key=s3cr3t&", ""), ("", "??key=", ""))),
    "a body that is written down": Parser(
        _bytes(lambda content: Masks().body(content, "application/json")), (("", '"a" ', ""), ("", '"a":"', ""))
    ),
    "a body that is shown in an error": Parser(
        _bytes(lambda content: status_error(Response(500, content=content, url=URL("https://h/"))))
    ),
    "the time that a caller gives": Parser(
        lambda text: read_timeout(CIMultiDict((name, text) for name in TIMEOUT_HEADERS))
    ),
    "the clock of AWS": Parser(lambda text: skew(403, CIMultiDict({"Date": text, "Age": text}), NOW)),
}


class Stream(NamedTuple):
    """One parser of bytes that come in pieces.

    Attributes:
        start: Makes the parser.
        state: Its state at the end that is compared.
        raises: Its documented errors.
    """

    start: Callable[[], Any]
    state: Callable[[Any], Any] = lambda parser: None
    raises: tuple[type[Exception], ...] = (AsyncAPIError,)

    def read(self, pieces: Iterable[bytes]) -> tuple[list[Any], Any, type[Exception] | None]:
        """The output, the state at the end, and the error if it ends with one."""
        parser, found = self.start(), []
        try:
            for piece in pieces:
                found += parser.feed(piece)
            found += parser.end()
        except self.raises as error:
            return found, None, type(error)
        return found, self.state(parser), None


STREAMS: dict[str, Stream] = {
    "events": Stream(sse.EventParser, lambda parser: (parser.last_id, parser.retry)),
    "short events": Stream(lambda: sse.EventParser(8)),
    "lines": Stream(LineParser),
    "short lines": Stream(lambda: LineParser(8)),
    "chunks": Stream(lambda: ChunkParser(7)),
    "large chunks": Stream(lambda: ChunkParser(1_000_000)),
    "parts": Stream(lambda: MultipartParser("a"), lambda parser: parser.ended),
    "short parts": Stream(lambda: MultipartParser("-", 8), lambda parser: parser.ended),
}


_PIECES = (
    " ", "\t", "a", "1", "0", "-", ",", ";", "=", '"', "\\", "<", ">", "/", "%", "&", "(", "[", "{", ":", "\u00e9",
    "\udce9", "a=", 'a="', '"\\', ', "', "a ", ";a=1", "a,", "<>,", "a=a;",
)  # fmt: skip
HOSTILE = tuple(("", piece, end) for piece, end in itertools.product(_PIECES, ("", '"', "!")))


def texts(size: int, cases: Iterable[tuple[str, str, str]]) -> Iterable[str]:
    """Hostile texts of about so many characters."""
    for before, piece, end in cases:
        yield before + piece * ((size - len(before) - len(end)) // len(piece)) + end
