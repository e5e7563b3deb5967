"""The auth layer: credentials go to their own origin alone, come back out of everything, and get one more try."""

from __future__ import annotations

import asyncio
import logging
import pickle
import ssl
import traceback

import pytest
import trustme
from aiohttp import web

from asyncapi import (
    ApiKey,
    AsyncAPIError,
    AuthError,
    Basic,
    Bearer,
    Client,
    ConfigError,
    Hedge,
    RequestTimeout,
    Retry,
    Unauthorized,
)
from asyncapi.credentials import Signature
from asyncapi.testing import FakeClock, MockTransport, reply, run
from servers import application

CANARY = "canary" + "bird"


class Fresh:
    """A credential with a new token at every asking; `wait` seconds each, where it has to be waited for."""

    max_resends = 1

    def __init__(self, wait: float | None = None) -> None:
        self.wait = wait
        self.given = 0

    def cached_signature(self, request, means):
        return None if self.wait is not None else self._next()

    async def fetch_signature(self, request, means):
        await means.clock.sleep(self.wait)
        return self._next()

    def on_response(self, signature, response, refused, means):
        return "401, a new token" if response.status == 401 else ""

    def describe(self):
        return "Fresh"

    def _next(self):
        self.given += 1
        return Signature(headers=(("Authorization", f"Bearer {self.given}"),), source=self.given)


def client(handler, **settings) -> Client:
    clock = settings.pop("clock", None) or FakeClock()
    base = settings.pop("base", "https://h")
    return Client(base, transport=MockTransport(handler, clock=clock), clock=clock, **settings)


def token_of(request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


# -- origins -------------------------------------------------------------------------------------------------------

CREDENTIALS = {
    "header": ApiKey(CANARY, header="X-Odd"),
    "query": ApiKey(CANARY, query="odd"),
    "cookie": ApiKey(CANARY, cookie="odd"),
    "bearer": Bearer(CANARY),
    "basic": Basic("me", CANARY),
}


def carries(request: web.Request) -> bool:
    return CANARY in request.raw_path or any(name in request.headers for name in ("Authorization", "X-Odd", "Cookie"))


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server's TLS context, and the file of its authority."""
    authority, made = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(made)
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return made, str(file)


class Places:
    """Three servers that move a request about: /start at the first, /away wherever `to` is, /home at the first."""

    def __init__(self, status: int, to: str) -> None:
        self.status = status
        self.to = to
        self.at: dict[str, str] = {}
        self.seen: list[tuple[str, bool]] = []

    async def start(self, request):
        return self._moved(request, f"{self.at[self.to]}/away?{request.query_string}")  # it repeats the query, careless

    async def away(self, request):
        return self._moved(request, f"{self.at['same']}/home")

    async def home(self, request):
        self.seen.append(("home", carries(request)))
        return web.Response(text="there")

    def _moved(self, request, location):
        self.seen.append((request.path.strip("/"), carries(request)))
        return web.Response(status=self.status, headers={"Location": location})

    def routes(self):
        return [web.get(f"/{name}", getattr(self, name)) for name in ("start", "away", "home")]


@pytest.mark.lanes
@pytest.mark.parametrize("auth", CREDENTIALS.values(), ids=CREDENTIALS)
@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("bound", ["by the base URL", "by the call"])
@pytest.mark.parametrize("to", ["same", "port", "host", "scheme"])
async def test_a_redirect_carries_a_credential_to_its_own_origin_alone(to, bound, status, auth, tls):
    """The whole matrix over real servers: another scheme, host or port gets nothing; back home it is there again."""
    places = Places(status, to)
    async with (
        application(*places.routes()) as one,
        application(*places.routes()) as two,
        application(*places.routes(), tls=tls[0]) as three,
    ):
        places.at = {"same": one, "port": two, "host": one.replace("127.0.0.1", "localhost"), "scheme": three}
        base = one if bound == "by the base URL" else ""
        async with Client(base, auth=auth, tls=tls[1]) as api:
            if to == "scheme":  # back from there is refused: it would go in clear
                with pytest.raises(AsyncAPIError, match="refused, because it would be sent unencrypted"):
                    await api.get(f"{one}/start?a=b")
                assert places.seen == [("start", True), ("away", False)]
            else:
                answer = await api.get(f"{one}/start?a=b")
                assert places.seen == [("start", True), ("away", to == "same"), ("home", True)]
                assert CANARY not in repr((answer.attempts, [str(one.target) for one in answer.attempts]))


@pytest.mark.parametrize(
    ("base", "url", "carried"),
    [
        ("https://h/v1", "/x", True),
        ("https://h/v1", "https://h:443/other", True),
        ("https://h/v1", "https://H/other", True),
        ("https://h/v1", "http://h/v1/x", False),
        ("https://h/v1", "https://h:444/v1/x", False),
        ("https://h/v1", "https://h.evil.example/v1", False),
        ("https://h/v1", "https://h@evil.example/v1", False),
        ("", "https://anywhere/x", True),
    ],
)
async def test_a_credential_is_for_the_base_origin_or_else_for_what_the_call_asks_for(base, url, carried):
    seen = []
    async with client(lambda request: seen.append(token_of(request)) or reply(), base=base, auth=Bearer("t")) as api:
        await api.get(url)
    assert seen == ["t" if carried else ""]


async def test_each_origin_may_have_a_credential_of_its_own():
    seen = []
    auth = {"https://a": Bearer("for-a"), "https://b:8443/": Bearer("for-b")}
    async with client(lambda request: seen.append(token_of(request)) or reply(), base="https://a/v1", auth=auth) as api:
        for url in ("/x", "https://b:8443/x", "https://b/x", "https://c/x"):
            await api.get(url)
    assert seen == ["for-a", "for-b", "", ""]


@pytest.mark.parametrize("place", ["h", "/x", "", "https://h/v1", "https://h/?a=b", 3])
def test_what_is_no_origin_is_said(place):
    with pytest.raises(ConfigError, match=r"auth: '.*'(:| is not an origin)"):
        client(lambda _: reply(), auth={place: Bearer("t")})


@pytest.mark.parametrize("auth", ["token", ("user", "pw"), Bearer, 3, {"https://h": "token"}])
def test_what_is_no_credential_is_said_and_not_shown(auth):
    with pytest.raises(ConfigError, match=r"is not a credential: give (Bearer|Basic)\(") as caught:
        client(lambda _: reply(), auth=auth)
    assert "token" not in str(caught.value)


async def test_user_info_that_a_redirect_adds_does_not_displace_the_credential():
    seen = []

    def handler(request):
        seen.append((request.url.user, token_of(request)))
        return reply(302, headers={"Location": "https://evil:x@h/there"}) if len(seen) == 1 else reply()

    async with client(handler, auth=Bearer("t")) as api:
        await api.get("/")
    assert seen == [(None, "t"), (None, "t")]


# -- one more try --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retry", [None, 1, Retry(4)])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_401_is_followed_by_one_more_try_at_once_outside_the_count(method, retry):
    seen = []
    auth = Fresh()
    async with client(
        lambda request: seen.append(token_of(request)) or reply(200 if seen[-1] == "2" else 401), auth=auth, retry=retry
    ) as api:
        answer = await api.request(method, "/", content=b"body" if method == "POST" else None)
        assert (seen, answer.status) == (["1", "2"], 200)
        assert [attempt.why for attempt in answer.attempts] == ["first", "auth: 401, a new token"]
        assert answer.attempts[0].then == "sent again at once (401, a new token)"
        assert api.stats.retries == 0


@pytest.mark.parametrize("retry", [None, 4])
async def test_there_is_one_such_try_and_no_more(retry):
    auth = Fresh()
    async with client(lambda _: reply(401), auth=auth, retry=retry) as api:
        with pytest.raises(Unauthorized) as caught:
            await api.get("/")
    assert auth.given == len(caught.value.attempts) == 2


async def test_it_does_not_use_up_the_retries():
    statuses = iter([503, 401, 503, 200])
    async with client(lambda _: reply(next(statuses)), auth=Fresh(), retry=Retry(3, base=0)) as api:
        answer = await api.get("/")
    assert [attempt.status for attempt in answer.attempts] == [503, 401, 503, 200]


async def test_a_stream_that_can_not_be_rewound_is_not_sent_again():
    async def body():
        yield b"once"

    auth = Fresh()
    async with client(lambda _: reply(401), auth=auth) as api:
        with pytest.raises(Unauthorized):
            await api.post("/", content=body())
    assert auth.given == 1


async def test_a_redirected_post_is_not_sent_again_for_a_401_of_the_next_hop():
    """The host did what the POST asked for before it redirected."""
    seen = []

    def handler(request):
        seen.append(request.method)
        return reply(303, headers={"Location": "/done"}) if request.method == "POST" else reply(401)

    async with client(handler, auth=Fresh()) as api:
        with pytest.raises(Unauthorized):
            await api.post("/", json={"a": 1})
    assert seen == ["POST", "GET"]


async def test_two_origins_that_pass_a_call_to_and_fro_end():
    """The count of free tries is the call's, not the hop's."""

    def handler(request):
        if request.url.host == "h" and request.url.path == "/":
            return reply(302, headers={"Location": "https://other/"})
        return reply(302, headers={"Location": "https://h/end"}) if request.url.host == "other" else reply(401)

    auth = Fresh()
    async with client(handler, auth=auth) as api:
        with pytest.raises(Unauthorized):
            await api.get("/")
    assert auth.given == 4


def test_a_hedged_copy_that_is_refused_gets_its_other_try_too():
    async def scenario():
        clock = FakeClock()
        seen = []

        async def handler(request):
            seen.append(token_of(request))
            if len(seen) == 1:
                await clock.sleep(60)
            return reply(200 if len(seen) == 3 else 401)

        api = client(handler, clock=clock, auth=Fresh(), hedge=Hedge(after=1.0, budget=1.0), timeout=None)
        answer = await api.get("/")
        assert (answer.status, seen) == (200, ["1", "2", "3"])
        await api.aclose()

    run(scenario())


# -- waiting -------------------------------------------------------------------------------------------------------


def test_waiting_for_a_credential_is_queue_time_and_no_attempts():
    async def scenario():
        api = client(lambda _: reply(), auth=Fresh(wait=3.0))
        [record] = (await api.get("/")).attempts
        assert (record.queued, record.elapsed, record.held) == (3.0, 0.0, "auth 3 s")

    run(scenario())


def test_a_deadline_ends_the_wait_and_names_the_queue():
    async def scenario():
        api = client(lambda _: reply(), auth=Fresh(wait=30.0), timeout=2.0)
        with pytest.raises(RequestTimeout) as caught:
            await api.get("/")
        assert (caught.value.phase, caught.value.attempts) == ("queue", ())

    run(scenario())


def test_an_attempt_is_signed_after_every_wait():
    async def scenario():
        seen = []
        statuses = iter([503, 503, 200])
        auth = Fresh()
        api = client(lambda request: seen.append(token_of(request)) or reply(next(statuses)), auth=auth)
        await api.get("/")
        assert seen == ["1", "2", "3"]

    run(scenario())


def test_tasks_of_credentials_end_with_the_client():
    async def scenario():
        api = client(lambda _: reply(), auth=Bearer("t"))
        task = api._state.keyring.context.start(asyncio.sleep(1000))
        await api.aclose()
        assert task.cancelled()

    run(scenario())


# -- nothing shows -------------------------------------------------------------------------------------------------


def everything(found: object, depth: int = 0) -> str:
    """All text that can be reached from an object."""
    if depth > 8 or found is None or isinstance(found, int | float | type):
        return ""
    if isinstance(found, str | bytes):
        return found if isinstance(found, str) else found.decode("latin-1")
    parts = [repr(found), str(found)]
    if isinstance(found, dict):
        parts += [everything(each, depth + 1) for each in [*found, *found.values()]]
    elif isinstance(found, list | tuple | set | frozenset):
        parts += [everything(each, depth + 1) for each in found]
    elif hasattr(found, "items"):
        parts += [everything(list(found.items()), depth + 1)]
    slots = [name for cls in type(found).__mro__ for name in getattr(cls, "__slots__", ()) if isinstance(name, str)]
    for name in [*slots, *getattr(found, "__dict__", ())]:
        if name not in {"call", "task", "_task"} and not name.startswith("__"):  # what the layers use while it runs
            parts.append(everything(getattr(found, name, None), depth + 1))
    return " ".join(parts)


@pytest.mark.lanes
@pytest.mark.parametrize("auth", CREDENTIALS.values(), ids=CREDENTIALS)
@pytest.mark.parametrize("outcome", [200, 401, 500, "refused", "redirect"])
async def test_nothing_of_it_shows_anywhere(auth, outcome, caplog, capsys):
    """A canary in an oddly named header, query key, cookie and password: read all that a caller can get at."""
    caplog.set_level(logging.DEBUG)
    records = []

    async def handler(request):
        if outcome == "redirect" and request.path == "/":
            return web.Response(status=302, headers={"Location": f"/there?{request.query_string}"})
        echoed = f"{dict(request.headers)} {request.path_qs}"
        return web.Response(status=200 if outcome == "redirect" else outcome, text=echoed if outcome != 200 else "ok")

    async with application(web.get("/{any:.*}", handler)) as url:
        base = "http://127.0.0.1:1" if outcome == "refused" else url
        api = Client(base, auth=auth, retry=Retry(2, base=0), hooks=[records.append])
        seen: list[object] = [records, api.stats, api.explain(), repr(auth), repr(api._state.keyring.__class__)]
        try:
            answer = await api.get("/", params={"q": "1"})
            seen += [answer.attempts, answer.url, answer.headers, repr(answer), answer.request]
        except AsyncAPIError as error:
            seen += [
                error,
                error.__dict__,
                "".join(traceback.format_exception(error)),
                pickle.loads(pickle.dumps(error)),
            ]
        await api.aclose()
    text = everything(seen) + caplog.text + "".join(capsys.readouterr())
    encoded = Basic("me", CANARY).cached_signature(None, None).headers[0][1][6:]
    if outcome == "redirect":  # a 200 that echoes it: that is what was asked for
        text = text.replace(answer.text, "")
    assert CANARY not in text
    assert encoded not in text
    assert "127.0.0.1" in text  # it has looked


async def test_an_auth_error_has_the_request_and_no_attempts():
    async with client(lambda _: reply(), auth=Bearer(lambda: "")) as api:
        with pytest.raises(AuthError) as caught:
            await api.get("/x")
        assert str(caught.value.request.url) == "https://h/x"
        assert caught.value.attempts == ()
        assert api.stats.by_error == {"AuthError": 1}


def test_explain_names_the_credential_and_its_origin(capsys):
    text = client(lambda _: reply(), auth=ApiKey(CANARY)).explain()
    assert "ApiKey in the header X-Api-Key, from ***, for https://h:443 alone" in text
    assert CANARY not in text + capsys.readouterr().out


def test_without_a_credential_the_layers_are_absent():
    assert not [step.name for step in client(lambda _: reply())._steps if step.name.startswith("auth")]
