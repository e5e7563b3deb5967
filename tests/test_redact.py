"""No secret is shown: canaries planted wherever one may be, looked for wherever something is written."""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest
from yarl import URL

from asyncapi import ApiKey, AsyncAPIError, Bearer, Client, Request
from asyncapi.errors import error_text
from asyncapi.redact import forget_variables, is_secret, one_line, redact_broken, redact_headers, redact_url
from servers import always, saying, scripted

CANARY = "canary" + "bird"  # in two, so that a line of source in a traceback does not hold it


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "X-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "api_key",
        "apikey", "API-KEY", "key", "Ocp-Apim-Subscription-Key", "access_key", "AWSAccessKeyId", "token",
        "access_token", "id_token", "X-Auth-Token", "X-CSRF-Token", "client_secret", "password", "passwd", "pwd",
        "passphrase", "sig", "signature", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "code", "sid",
        "session", "sessionid", "PHPSESSID", "JSESSIONID", "jwt", "auth", "x-auth", "client_assertion", "otp",
        "Authentication",
    ],
)  # fmt: skip
def test_a_name_that_carries_a_credential_is_known(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "Accept", "Content-Type", "Idempotency-Key", "X-Request-Id", "User-Agent", "q", "page", "keyword", "monkey",
        "author", "zipcode", "signal", "passenger", "compass", "Sec-WebSocket-Key", "sidebar",
    ],
)  # fmt: skip
def test_an_ordinary_name_is_left_readable(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a?b=c", "https://h/a?b=c"),
        ("https://user:pw@h/a", "https://***@h/a"),
        ("https://user@h/", "https://***@h/"),
        ("https://h/?api_key=s&b=c", "https://h/?api_key=***&b=c"),
        ("https://h/?b=c&token=s#frag", "https://h/?b=c&token=***#frag"),
        ("https://h/cb#access_token=s&state=x", "https://h/cb#access_token=***&state=x"),
        ("https://h/?api%5Fkey=s", "https://h/?api%5Fkey=***"),
        ("https://h/?token", "https://h/?token"),
        ("https://h/?token=", "https://h/?token=***"),
        ("https://h/@user?sid=s", "https://h/@user?sid=***"),
        ("https://h/?mail=a@b", "https://h/?mail=a@b"),
        ("/relative?key=s", "/relative?key=***"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, shown):
    assert redact_url(url) == shown
    assert redact_url(URL(url, encoded=True)) == shown


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{CANARY}@h:bad/",
        f"http://user:{CANARY}@x@h:bad/",
        f"http://user:a/{CANARY}@h:1/",
        f"http://h:bad/?token={CANARY}",
        f"http://u:\n{CANARY}@h",
    ],
)
def test_text_that_is_no_url_is_shown_without_its_secrets(url):
    assert CANARY not in redact_broken(url)


def test_headers_keep_their_names_and_lose_their_secrets():
    shown = redact_headers({"Authorization": "Bearer s", "Accept": "x"})
    assert dict(shown) == {"Authorization": "***", "Accept": "x"}


# From end to end

SECRETS = {
    "headers": {"Authorization": f"Bearer {CANARY}", "X-Api-Key": CANARY, "Cookie": f"sid={CANARY}"},
    "params": {"api_key": CANARY, "q": "open"},
}

ENDINGS = {
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "unavailable": b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n",
    "garbage": b"garbage\r\n\r\n",
    "closed": b"",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    "not json": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops",
    "redirected away": b"HTTP/1.1 302 Found\r\nLocation: ftp://h/\r\nContent-Length: 0\r\n\r\n",
    "bomb": b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
    "bad gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
}


def everything_said(error: AsyncAPIError) -> str:
    """All that a program would write about a failure."""
    copy = pickle.loads(pickle.dumps(error))
    return "".join(
        [
            str(error), repr(error), repr(error.request), repr(error.attempts), repr(error.__cause__),
            "".join(traceback.format_exception(error)),
            *(f"{attempt.url}{attempt.why}{attempt.error}{attempt.then}" for attempt in error.attempts),
            str(error.request.url), str(dict(error.request.headers)),
            str(vars(copy)), repr(pickle.dumps(error)),
        ]
    )  # fmt: skip


@pytest.mark.lanes
@pytest.mark.parametrize("ending", ENDINGS)
async def test_no_secret_is_in_what_is_said_about_a_failure(ending, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "asyncio")
    said, records = [], []

    def hook(record):
        records.append(repr(record))
        raise RuntimeError("a broken hook")  # it is logged

    async with scripted(always(ENDINGS[ending], close=True)) as server:
        url = server.url.replace("//", f"//user:{CANARY}@")
        headers = {name: value for name, value in SECRETS["headers"].items() if name != "Authorization"}
        for api in (
            Client(url, retry=2, hooks=[hook], headers=headers, params=SECRETS["params"]),
            Client(server.url, retry=2, hooks=[hook], **SECRETS),
        ):
            async with api:
                said.append(api.explain())
                with pytest.raises(AsyncAPIError) as caught:
                    await api.get("/", model=int)
                said.extend([everything_said(caught.value), repr(api.stats)])
    assert server.seen
    assert CANARY in str(server.seen[0].headers)  # it was sent
    assert CANARY not in "".join(said + records)
    assert CANARY not in caplog.text
    assert "api_key=***" in said[1]


@pytest.mark.lanes
async def test_no_secret_is_in_what_is_said_about_a_failed_connection():
    async with Client(retry=None, **SECRETS) as api:
        for url in (f"http://user:{CANARY}@127.0.0.1:1/", f"https://user:{CANARY}@no-such-host.invalid/"):
            with pytest.raises(AsyncAPIError) as caught:
                await api.get(url)
            assert CANARY not in everything_said(caught.value)


@pytest.mark.lanes
async def test_no_secret_is_in_what_is_said_about_a_time_out():
    async def hang(peer):
        await peer.gone()

    async with scripted(hang) as server, Client(server.url, timeout=0.05, retry=None, **SECRETS) as api:
        with pytest.raises(AsyncAPIError) as caught:
            await api.get("/")
    assert CANARY not in everything_said(caught.value)


async def test_no_secret_is_in_a_refused_url():
    async with Client() as api:
        for url in (
            f"http://user:{CANARY}@h:bad/",
            f"http://user:{CANARY}@h/\r\n?token={CANARY}",
            f"ftp://user:{CANARY}@h/",
            f"//user:{CANARY}@h/?key={CANARY}",
        ):
            with pytest.raises(AsyncAPIError) as caught:
                await api.get(url)
            assert CANARY not in str(caught.value)
    with pytest.raises(AsyncAPIError) as caught:
        Client(f"https://user:{CANARY}@h/?token={CANARY}")
    assert CANARY not in str(caught.value)


@pytest.mark.lanes
async def test_a_redirect_s_secrets_are_not_shown_either():
    hop = f"HTTP/1.1 302 Found\r\nLocation: /next?code={CANARY}#access_token={CANARY}\r\nContent-Length: 0\r\n\r\n"
    async with scripted(saying(hop, hop, b"x")) as server, Client(server.url, retry=None) as api:
        with pytest.raises(AsyncAPIError) as caught:
            await api.get("/")
    assert CANARY in server.seen[1].target
    assert CANARY not in everything_said(caught.value)


def test_a_request_is_shown_without_its_secrets():
    request = Request("GET", f"https://u:{CANARY}@h/?key={CANARY}", headers={"Authorization": CANARY}, json=CANARY)
    shown = request.redacted()
    assert CANARY not in f"{request!r}{shown!r}{shown.headers}{shown.json}{shown.url}"


def test_the_variables_of_frames_that_are_left_are_forgotten_and_the_lines_stay():
    def deepest(secret):
        raise ValueError("deep")

    def wrapping(secret):
        try:
            deepest(secret)
        except ValueError as error:
            raise KeyError("high") from error

    try:
        wrapping(CANARY)
    except KeyError as error:
        running = "still here"
        forget_variables(error)
        said = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert CANARY not in said
    assert ("in deepest" in said, "in wrapping" in said, running in said) == (True, True, True)


# --- text of others --------------------------------------------------------------------------------------------

NASTY = "\x1b]52;c;QUFB\x07\x1b[2J\x9b31m\x7f\x00\r\n\x85\u2028\u202e\u2066\u200f\ufeff\ud800\U000e0041"


def harmless(text: str) -> bool:
    return text.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain  text", "plain  text"),
        ("a\r\n\tb\x85c\u2028d\u2029e\x0bf\x1cg", "a b c d e f g"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x07\x00\x7f\x9b", r"\x07\x00\x7f\x9b"),
        ("\u202eexe.gpj\u2066", r"\u202eexe.gpj\u2066"),
        ("\u200b\u200e\u061c\ufeff\u00ad", r"\u200b\u200e\u061c\ufeff\xad"),
        ("half \ud83d", r"half \ud83d"),
        ("\U000e0041", r"\U000e0041"),
        ("k\u00f6ln \u732b \U0001f600", "k\u00f6ln \u732b \U0001f600"),
        (
            "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627 \U0001f469\u200d\U0001f680",
            "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627 \U0001f469\u200d\U0001f680",
        ),
        ("", ""),
    ],
)
def test_text_of_others_is_one_line_that_does_nothing_to_a_terminal(text, shown):
    assert one_line(text) == shown


@pytest.mark.parametrize("text", ["a" * 5000, "\x1b" * 5000, "\n" * 5000 + "a", "\n a" * 5000])
def test_it_has_a_bounded_length(text):
    assert len(one_line(text)) <= 2000
    assert len(one_line(text, 100)) <= 100


def test_an_error_is_one_line_however_its_text_came_into_it():
    error = AsyncAPIError(f"said {NASTY}", request=Request("GET", "https://h/"))
    late = AsyncAPIError("x")
    late.message = f"said {NASTY}"
    for one in (error, late):
        assert harmless(str(one))
        assert harmless(error_text(one))
    assert harmless(repr(error))
    assert harmless(error_text(RuntimeError(NASTY)))
    assert harmless(str(pickle.loads(pickle.dumps(error))))


@pytest.mark.lanes
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/%s\r\nContent-Length: 2\r\n\r\nno",
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json; charset="%s"\r\nContent-Length: 2\r\n\r\n\xff\xfe',
        b"HTTP/1.1 302 F\r\nLocation: ftp://%s\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 %s\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 E\r\nContent-Length: 20\r\n\r\n%s",
        b"%s\r\n\r\n",
    ],
)
async def test_what_a_server_says_reaches_no_terminal_as_it_is(head, caplog):
    nasty = "\x1b]52;c;QUFB\x07\x9b31m\u202e".encode()
    records = []
    async with (
        scripted(always(head % nasty)) as server,
        Client(server.url, retry=None, hooks=[records.append]) as api,
    ):
        for call in (
            api.get("/x", model=dict),
            anext(aiter(api.paginate("/x", by=lambda page: None))),
            subscribed(api),
        ):
            with caplog.at_level(logging.DEBUG), pytest.raises(AsyncAPIError) as caught:
                await call
            error = caught.value
            assert harmless(str(error))
            assert harmless(error.message)
            assert all(harmless(record.error or "") for record in (*records, *error.attempts))
    assert all(harmless(line) for line in caplog.text.splitlines())


async def subscribed(api):
    async with api.events("/x") as events:
        await anext(aiter(events))


@pytest.mark.lanes
@pytest.mark.parametrize("status", [b"200 OK", b"500 E"])
@pytest.mark.parametrize(
    "settings",
    [
        {"headers": {"Authorization": f"Bearer {CANARY}"}},
        {"headers": {"X-Api-Key": CANARY}},
        {"headers": {"Cookie": f"a=b; sid={CANARY}"}},
        {"params": {"api_key": CANARY}},
        {"auth": Bearer(CANARY)},
        {"auth": ApiKey(CANARY, query="k")},
        {"auth": ApiKey(CANARY, cookie="sid")},
    ],
    ids=repr,
)
async def test_a_peer_that_repeats_a_secret_does_not_get_it_into_our_text(status, settings):
    body = f"you sent {CANARY}, did you?".encode()
    answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
    async with scripted(always(answer)) as server, Client(server.url, retry=None, **settings) as api:
        with pytest.raises(AsyncAPIError) as caught:
            await api.get("/x", model=dict)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
    assert "you sent ***" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('{"token": "abc"}', False),
        ('{"input": {"password": 1}}', False),
        ('[{"a": {"apiKey": null}}]', False),
        ('{ login(user: "a", password: "abc") { id } }', False),
        ('query($token: String) { a(by: $token, name: "b") }', True),
        ('{"id": "1", "code": "x"}', True),
        ('say "token" twice', True),
    ],
)
def test_json_and_documents_in_a_query_are_shown_without_secrets(value, shown):
    url = str(URL("https://h/graphql").with_query({"v": value, "page": "2"}))
    assert redact_url(url) == (url if shown else "https://h/graphql?v=***&page=2")


def test_a_long_query_is_masked_in_one_pass():
    for piece in ('"', "a", " ", '"a', "a:", '"a" ', "\\"):
        assert redact_url("https://h/?v=" + (piece * 300_000) + '"').startswith("https://h/?v=")
