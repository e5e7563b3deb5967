"""Documents come from files, URLs and standard input; what can't be one is refused with what to do."""

from __future__ import annotations

import gzip
import io
import sys
from types import SimpleNamespace

import pytest

from asyncapi.errors import ConfigError
from asyncapi.openapi import sources


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "x is empty"),
        (b"  \n", "x is empty"),
        (b"<!DOCTYPE html><html><body>404", "x is an HTML page, not an OpenAPI document"),
        (b"<?xml version='1.0'?><a/>", "x is XML, not an OpenAPI document"),
        (gzip.compress(b"{}", mtime=0), "x is compressed: unpack it first"),
        (b"PK\x03\x04rest", "x is compressed"),
        (b'{"openapi": "3.1.0", "info": {', "x isn't valid JSON: line 1, column 31"),
        (b"openapi: 3.1.0\ninfo: [a,\n\nb: c: d", "in what begins on line 2"),
        (b"a: \xff\xfe\x00", "x isn't text in UTF-8: byte 3 is 0xff"),
        (b"[" * 100_000, "x isn't valid JSON: nested deeper"),
        (b"- " * 100_000, "x isn't valid YAML"),
        (b"a: \x07", "x isn't valid YAML"),
    ],
)
def test_what_is_no_document_is_refused_in_one_line(data, said):
    with pytest.raises(ConfigError) as error:
        sources.parse(data, "x")
    assert said in error.value.message
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    "data",
    [b'{"a": "\xc3\xa4"}', '\ufeff{"a": "ä"}'.encode(), '{"a": "ä"}'.encode("utf-16"), '{"a": "ä"}'.encode("utf-32-le"),
     "a: ä".encode(), '{a: "ä"}'.encode(), '{"a": "ä", # YAML\n}'.encode()],
)  # fmt: skip
def test_json_and_yaml_are_told_apart_in_any_unicode(data):
    assert sources.parse(data, "x").value == {"a": "ä"}


def test_a_file_of_json_is_not_taken_for_yaml():
    with pytest.raises(ConfigError, match="isn't valid JSON: line 1"):
        sources.parse(b'{"a": 1,}', "openapi.json")


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no file .*nothing\.json"):
        sources.load(tmp_path / "nothing.json")
    with pytest.raises(ConfigError, match="is a folder: name the file"):
        sources.load(tmp_path)
    with pytest.raises(ConfigError, match="can't be read"):
        sources.load("a\0b")


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"{}")))
    assert sources.load("-") == b"{}"


def test_more_than_a_document_may_have_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 10)
    (tmp_path / "big.json").write_bytes(b"x" * 11)
    with pytest.raises(ConfigError, match="larger than"):
        sources.load(tmp_path / "big.json")


@pytest.mark.parametrize(
    ("place", "reference", "found"),
    [
        ("/a/b.yaml", "", "/a/b.yaml"),
        ("/a/b.yaml", "c.yaml", "/a/c.yaml"),
        ("/a/b.yaml", "../c%20d.yaml", "/c d.yaml"),
        ("/a/b.yaml", "file:///x/c.yaml", "/x/c.yaml"),
        ("https://h.example/a/b.yaml", "../c.yaml", "https://h.example/c.yaml"),
    ],
)
def test_references_are_seen_from_their_file(place, reference, found):
    assert sources.beside(place, reference) == found


@pytest.mark.parametrize(
    ("place", "reference", "said"),
    [
        ("/a/b.yaml", "https://h.example/c.yaml", "a file may only refer to files"),
        ("https://h.example/a", "https://other.example/c", "on another server"),
        ("https://h.example/a", "file:///etc/passwd", "on another server"),
        ("https://h.example/a", "http://h.example/c", "on another server"),
        ("<bytes>", "c.yaml", "the document came as bytes"),
    ],
)
def test_a_document_sends_its_reader_nowhere_else(place, reference, said):
    with pytest.raises(ConfigError, match=said):
        sources.beside(place, reference)


@pytest.mark.lane("aiohttp", reason="the blocking client fetches the document over its default transport")
def test_a_url_is_fetched_and_its_failures_are_told(http_files):
    assert sources.load(f"{http_files}/openapi.json") == b'{"openapi": "3.1.0"}'
    with pytest.raises(ConfigError, match=r"/nothing\?token=\*\*\* can't be fetched: .*404"):
        sources.load(f"{http_files}/nothing?token=secret")


@pytest.fixture
def http_files():
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"openapi": "3.1.0"}' if self.path == "/openapi.json" else b"no"
            self.send_response(200 if self.path == "/openapi.json" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()
