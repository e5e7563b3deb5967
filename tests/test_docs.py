"""The documentation is true: every Python block of README.md and docs/**/*.md runs, against a real local server.

What follows the language of a fenced block says how it is tested:

    ```python                      runs; `await` at the top level is fine; blocks of a page share their names
    ```python no-run: reason       only has to compile
    ```console run                 the lines that begin with `$ ` run with bash and end with 0
    ```bash run exits=1            every line runs; the block ends with that status
    ```csv file=ids.csv            any language: written to that file first (python file=models.py also)

https://api.example.com is the server below, over TLS, in every process the page starts: see `documented/site`.
What the how-to pages ask for is forwarded to the server of `asyncapi serve`.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import ssl
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import web

from asyncapi.serve import FaultServer

ROOT = Path(__file__).parent.parent
DOCUMENTED = Path(__file__).parent / "documented"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PATIENCE = 150
_FRAMING = {"Content-Length", "Transfer-Encoding", "Connection"}


def named(page):
    """The page as tests call it: `README.md`, `docs/howto/llm.md`."""
    return page.relative_to(ROOT).as_posix()


_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)``` *$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: `line` is that of its first line of content."""

    page: str
    line: int
    language: str
    options: str
    text: str

    @property
    def where(self):
        return f"{self.page}:{self.line}"

    @property
    def file(self):
        found = re.search(r"\bfile=(\S+)", self.options)
        return found.group(1) if found else None

    @property
    def not_run(self):
        """Why it does not run, or None."""
        found = re.match(r"no-run\b:? ?(.*)", self.options)
        return found.group(1).strip() if found else None

    @property
    def exits(self):
        found = re.search(r"\bexits=(\d+)", self.options)
        return int(found.group(1)) if found else 0


def blocks_of(text, page):
    for found in _FENCE.finditer(text):
        language, _, options = found["info"].strip().partition(" ")
        indent = found["indent"]
        content = "".join(line.removeprefix(indent) for line in found["text"].splitlines(keepends=True))
        yield Block(page, text.count("\n", 0, found.start("text")) + 1, language, options.strip(), content)


def part_of(block):
    """What `documented/run_page.py` does with it, or None."""
    about = {"page": block.page, "line": block.line}
    if block.file:
        return {**about, "kind": "file", "name": block.file, "text": block.text}
    if block.language == "python" and block.not_run is None:
        return {**about, "kind": "python", "text": block.text}
    if block.language in {"console", "bash", "sh"} and re.match(r"run\b", block.options):
        text = commands_of(block.text) if block.language == "console" else block.text
        return {**about, "kind": "shell", "text": text, "exits": block.exits}
    return None


def commands_of(text):
    """The commands of a console block: lines after `$ `, and the lines that continue them."""
    commands, goes_on = [], False
    for line in text.splitlines():
        if line.startswith("$ ") or goes_on:
            commands.append(line if goes_on else line[2:])
            goes_on = line.endswith("\\")
    return "\n".join(commands) + "\n"


# --- the server that api.example.com is ------------------------------------------------------------------------


def thing(kind, number):
    """One resource: has what the pages' models ask of users, items and orders alike."""
    return {
        "id": number,
        "name": f"{kind} {number}",
        "email": f"{kind}{number}@example.com",
        "price": number * 1.5,
        "active": number % 2 == 1,
        "tags": ["a", "b"],
    }


async def listing(request):
    return web.json_response([thing(request.match_info["kind"], number) for number in range(1, 11)])


async def orders(request):
    """A list in pages of three, by number or by offset: the numbers and URLs of each kind of pagination are there."""
    size, total = int(request.query.get("limit", 3)), 8
    page = int(request.query.get("page", 1))
    low = int(request.query.get("offset", (page - 1) * size))
    rows = [thing("order", number) for number in range(low + 1, min(low + size, total) + 1)]
    following = str(request.url.update_query(page=page + 1)) if low + size < total else None
    link = {"Link": f'<{following}>; rel="next"'} if following else {}
    return web.json_response({"items": rows, "total": total, "next": following}, headers=link)


async def one(request):
    name = request.match_info["id"]
    if not name.isdigit() or int(name) == 404:
        return web.json_response({"error": f"no {request.match_info['kind']} {name}"}, status=404)
    return web.json_response(thing(request.match_info["kind"], int(name)))


async def made(request):
    sent = await request.read()
    known = json.loads(sent) if request.content_type == "application/json" and sent else {}
    known = known if isinstance(known, dict) else {}
    return web.json_response({**thing(request.match_info["kind"], 1), **known, "id": 1}, status=201)


async def changed(request):
    sent = await request.json() if request.can_read_body else {}
    return web.json_response({**thing(request.match_info["kind"], int(request.match_info["id"])), **sent})


async def rows(request):
    answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await answer.prepare(request)
    for number in range(1, 51):
        await answer.write(json.dumps(thing("row", number)).encode() + b"\n")
    return answer


async def prices(request):
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    start = int(request.headers.get("Last-Event-ID", "100"))
    for number in range(start + 1, start + 3):
        await answer.write(f'retry: 1\nid: {number}\ndata: {{"cents": {number}}}\n\n'.encode())
    return answer


async def chat(_):
    chunks = "".join(f'data: {{"text": "{word}"}}\n\n' for word in ("Hel", "lo"))
    return web.Response(text=chunks + "data: [DONE]\n\n", content_type="text/event-stream")


async def export(_):
    return web.Response(body=bytes(100_000), headers={"ETag": '"1"'})


async def removed(request):
    return web.Response(status=204)


def forwarded(url):
    """A handler that asks the server at `url`, which knows no versions of its API."""

    async def forward(request):
        body, path = await request.read(), request.path_qs.removeprefix("/v1")
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(request.method, url + path, data=body, headers=headers) as response,
        ):
            kept = {name: value for name, value in response.headers.items() if name not in _FRAMING}
            kept = {name: value.replace(url, "https://api.example.com") for name, value in kept.items()}
            return web.Response(status=response.status, body=await response.read(), headers=kept)

    return forward


def api(url):
    app = web.Application()
    for path in ("/v1/chat/completions", "/repos/{path:.*}"):
        app.router.add_route("*", path, forwarded(url))
    for prefix in ("", "/v1"):
        app.router.add_get(prefix + "/orders", orders)
        app.router.add_get(prefix + "/rows", rows)
        app.router.add_get(prefix + "/prices", prices)
        app.router.add_post(prefix + "/chat", chat)
        app.router.add_get(prefix + "/export", export)
        app.router.add_get(prefix + "/{kind}", listing)
        app.router.add_post(prefix + "/{kind}", made)
        app.router.add_get(prefix + "/{kind}/{id}", one)
        app.router.add_put(prefix + "/{kind}/{id}", changed)
        app.router.add_patch(prefix + "/{kind}/{id}", changed)
        app.router.add_delete(prefix + "/{kind}/{id}", removed)
    return app


@asynccontextmanager
async def served(folder):
    """The server on a loopback port, and the environment in which a page runs."""
    authority = trustme.CA()
    certificate = authority.issue_cert("api.example.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    faults = FaultServer()
    await faults.start()
    runner = web.AppRunner(api(faults.url), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield {
            **os.environ,
            "DOCUMENTED_PORT": str(site._server.sockets[0].getsockname()[1]),
            "DOCUMENTED_CA": str(folder / "ca.pem"),
            "PYTHONPATH": str(DOCUMENTED / "site"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "120",
        }
    finally:
        await runner.cleanup()
        await faults.aclose()


async def run(text, page, folder):
    """Run a page: its exit status and what it said."""
    parts = [part for block in blocks_of(text, page) if (part := part_of(block))]
    work = folder / "work"
    work.mkdir()
    (folder / "parts.json").write_text(json.dumps(parts))
    async with served(folder) as env:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", str(DOCUMENTED / "run_page.py"), str(folder / "parts.json")),
            cwd=work,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                said, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            said, _ = await process.communicate()
            said += f"\nstill running after {PATIENCE} s".encode()
    return process.returncode, said.decode()


# --- the pages keep their word ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=named)
async def test_what_a_page_shows_works(page, tmp_path):
    status, said = await run(page.read_text(encoding="utf-8"), named(page), tmp_path)
    assert status == 0, said


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_does_not_run_gives_its_reason_and_compiles(page):
    for block in blocks_of(page.read_text(encoding="utf-8"), named(page)):
        if block.language == "python":
            assert block.not_run != "", f"{block.where}: no-run wants a reason"
            assert block.options == "" or block.file or block.not_run, f"{block.where}: what is {block.options!r}?"
            compile(block.text, block.where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_between_pages_lead_somewhere(page):
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text):
        assert (page.parent / target).exists(), f"{named(page)}: {target} is missing"


def anchors(page):
    """The headings of a page as links name them, on the code host and in the built manual."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        words = re.sub(r"[^\w\s-]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
        yield re.sub(r"\s", "-", words)
        yield re.sub(r"[-\s]+", "-", words)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_to_a_heading_find_it(page):
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)#([^)\s]+)\)", text):
        there = page.parent / target if target else page
        assert anchor in set(anchors(there)), f"{named(page)}: {target}#{anchor} is no heading"


# --- and they could break it -----------------------------------------------------------------------------------

GOOD_PAGE = """\
Text.

```python
from pathlib import Path

from asyncapi import Client
from pydantic import BaseModel

class User(BaseModel):
    id: int

async with Client("https://api.example.com/v1") as mine:
    first = await mine.get("/users/1", model=User)
```

```text file=ids.txt
1
```

A later block knows the names of an earlier one, `api`, and the files of the page:

```python
assert first == await api.get("/users/1", model=User)
assert Path("ids.txt").read_text() == "1\\n"
```

```console run
$ cat \\
  ids.txt
not a command
```

```bash run exits=3
sleep 1000 &
exit 3
```
"""


async def test_a_good_page_runs(tmp_path):
    assert await run(GOOD_PAGE, "good.md", tmp_path) == (0, "")


COMMANDS_PAGE = """\
```text file=urls.txt
https://api.example.com/users/1
https://api.example.com/users/2
```

```csv file=codes.csv
code
200
404
```

```python file=shop.py
from pydantic import BaseModel

class User(BaseModel):
    id: int
```

```console run
$ asyncapi serve --port 0 --port-file port >/dev/null &
$ asyncapi fetch urls.txt -o users.jsonl \\
    --model shop:User
done: 2 rows
$ while ! test -s port; do sleep 0.05; done
```

```console run
$ asyncapi fetch --url "http://127.0.0.1:$(cat port)/status/{code}" --from codes.csv -o answers.csv || test $? = 1
```

```python
from pathlib import Path
assert len(Path("users.jsonl").read_text().splitlines()) == 2
assert len(Path("answers.csv").read_text().splitlines()) == 3
```
"""


async def test_commands_of_a_page_run_and_may_stay_in_the_background(tmp_path):
    assert await run(COMMANDS_PAGE, "commands.md", tmp_path) == (0, "")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("```python\n1 / 0\n```\n", 'File "bad.md", line 2'),
        ("\n```python\nawait api.get('/users/404')\n```\n", "NotFound"),
        ("```python\nimport warnings\nwarnings.warn('old')\n```\n", "UserWarning: old"),
        ("```python\nimport socket\nsocket.getaddrinfo('example.org', 80)\n```\n", "know no host 'example.org'"),
        ("```console run\n$ echo something; false\n```\n", "bad.md:2: exit 1 instead of 0"),
        ("```python\nassert open('ids.txt').read() == 'x'\n```\n", "FileNotFoundError"),
    ],
)
async def test_a_bad_page_fails_and_says_where(page, said, tmp_path):
    status, output = await run(page, "bad.md", tmp_path)
    assert status != 0
    assert said in output
