"""The documentation is true: every Python block of README.md and docs/**/*.md runs, against a real local server.

What follows the language of a fenced block says how it is tested:

    ```python                      runs; `await` at the top level is fine; blocks of a page share their names
    ```python no-run: reason       only has to compile
    ```console run                 the lines that begin with `$ ` run with bash and end with 0
    ```console run shows           and print the other lines of the block; `...` stands for anything
    ```bash run exits=1            every line runs; the block ends with that status
    ```csv file=ids.csv            any language: written to that file first (python file=models.py also)

https://api.example.com is the server of `asyncapi serve`, over TLS, in every process the page starts, and
http://127.0.0.1:8000 is another one, as it is for a reader who has started it: see `documented/site`. So a reader can run
any sample against `asyncapi serve` with no more than its base URL changed.
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

import pytest
import trustme

from asyncapi.serve import FaultServer

ROOT = Path(__file__).parent.parent
DOCUMENTED = Path(__file__).parent / "documented"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PATIENCE = 150

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)``` *$", re.MULTILINE | re.DOTALL)


def named(page):
    """The path of a page, from the top of the project."""
    return page.relative_to(ROOT).as_posix()


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
        console = block.language == "console"
        commands, output = parts_of(block.text) if console else (block.text, "")
        shows = output if console and re.search(r"\bshows\b", block.options) else None
        return {**about, "kind": "shell", "text": commands, "exits": block.exits, "shows": shows}
    return None


def parts_of(text):
    """A console block as its commands (lines after `$ `, and the lines that continue them) and what they print."""
    commands, output, goes_on = [], [], False
    for line in text.splitlines(keepends=True):
        if line.startswith("$ ") or goes_on:
            commands.append(line if goes_on else line[2:])
            goes_on = line.endswith("\\\n")
        else:
            output.append(line)
    return "".join(commands), "".join(output)


# --- the server that api.example.com is ------------------------------------------------------------------------


@asynccontextmanager
async def served(folder):
    """The server on a loopback port, and the environment in which a page runs."""
    authority = trustme.CA()
    certificate = authority.issue_cert("api.example.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    async with FaultServer(tls=context) as server, FaultServer() as plain:
        yield {
            **os.environ,
            "DOCUMENTED_PORT": str(server.port),
            "DOCUMENTED_PLAIN_PORT": str(plain.port),
            "DOCUMENTED_CA": str(folder / "ca.pem"),
            "PYTHONPATH": str(DOCUMENTED / "site"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "120",
        }


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

```console run shows
$ python -c "import sys; print('one'); print('some two'); print('3'); print('last', file=sys.stderr)"
one
... two
...
last
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
        ("```console run shows\n$ echo one two\none three\n```\n", "bad.md:2: does not print what the page shows"),
        ("```console run shows\n$ echo one two\n```\n", "bad.md:2: does not print what the page shows"),
        ("```python\nassert open('ids.txt').read() == 'x'\n```\n", "FileNotFoundError"),
    ],
)
async def test_a_bad_page_fails_and_says_where(page, said, tmp_path):
    status, output = await run(page, "bad.md", tmp_path)
    assert status != 0
    assert said in output
