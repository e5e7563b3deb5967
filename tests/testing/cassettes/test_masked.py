"""What is written has no secret, wherever it became known, and headers that are true of it."""

from asyncapi.testing.cassettes.exchange import SENT, Exchange, Frame
from asyncapi.testing.cassettes.masked import masked
from asyncapi.testing.cassettes.masking import Secrets
from asyncapi.testing.failures import Failure


def test_a_secret_that_becomes_known_later_is_masked_before_too():
    first = Exchange("GET", "https://h/token-abc-123", content=b"token-abc-123", status=200, finished=True)
    first.fields = [("Content-Length", "13"), ("X-Echo", "token-abc-123")]
    first.frames = [Frame(SENT, "token-abc-123")]
    first.failure = Failure("ProtocolError", "it says token-abc-123")
    second = Exchange("GET", "https://h/", [("X-Api-Key", "token-abc-123")], status=200, finished=True)
    written = masked([first, second], Secrets())
    assert "token-abc-123" not in repr(written)
    assert written[0].url == "https://h/***1"
    assert first.url == "https://h/token-abc-123"  # the client's own stay


def test_a_large_body_is_a_digest_and_a_boundary_always_the_same():
    kind = "multipart/form-data; boundary=xyz123"
    small = Exchange("POST", "https://h/", [("Content-Type", kind), ("Content-Length", "9")], b"--xyz123--")
    large = Exchange("POST", "https://h/", [], b"x" * 2_000_000)
    written = masked([small, large], Secrets())
    assert (written[0].body, written[0].headers) == (
        b"--boundary--",
        [("Content-Type", "multipart/form-data; boundary=boundary")],
    )
    assert (written[1].body, written[1].digest[:7]) == (b"", "sha256:")


def test_a_stream_that_is_still_open_is_written_as_cut():
    assert masked([Exchange("GET", "https://h/", status=200)], Secrets())[0].cut
