"""Whether an installed asyncapi works, in an environment that has nothing else: run it in an empty folder.

    python -W error .ci/smoke.py

It looks at the files, starts `asyncapi serve`, calls it with and without await, fetches three rows, and sees that what
an extra is missing for says which one.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import importlib.util
import json
import pkgutil
import subprocess
import sys
import time
import warnings
from importlib.resources import files
from pathlib import Path

import asyncapi
import asyncapi.blocking

COMMAND = str(Path(sys.executable).with_name("asyncapi"))
# What needs an extra: the module that the extra brings, and lines of Python or a command that use it.
EXTRAS = {
    "otel": ("opentelemetry", "from asyncapi.watch import OpenTelemetry"),
    "prometheus": ("prometheus_client", "from asyncapi.watch import Prometheus"),
    "auth": ("cryptography", "from asyncapi.stores import FileStore; FileStore('tokens')"),
    "keyring": ("keyring", "from asyncapi.stores import KeyringStore; KeyringStore('name')"),
    "aws": ("botocore", "import asyncapi; asyncapi.AWSSigV4('s3', 'eu-west-1')"),
    "http2": ("hpack", "import asyncapi; asyncapi.Client(http2=True)"),
    "http3": ("qh3", "import asyncapi; asyncapi.Client(http3=True)"),
    "socks": ("python_socks", "import asyncapi; asyncapi.Client(transport='native', proxy='socks5://127.0.0.1:1')"),
    "srv": ("dns", "import asyncapi; asyncapi.Client(endpoints=asyncapi.Endpoints.srv('_http._tcp.example.com'))"),
    "parquet": ("pyarrow", ["fetch", "in.txt", "-o", "rows.parquet"]),
    "zstd": ("backports", ["fetch", "in.txt", "-o", "rows.jsonl.zst"]),
    "fsspec": ("fsspec", ["fetch", "s3://bucket/in.txt", "-o", "rows.jsonl"]),
    "redis": ("redis", ["fetch", "in.txt", "-o", "rows.jsonl", "--rate", "5", "--shared", "redis://127.0.0.1:1"]),
    "dask": ("distributed", ["fetch", "in.txt", "-o", "rows.jsonl", "--on", "dask://127.0.0.1:1"]),
    "ray": ("ray", ["fetch", "in.txt", "-o", "rows.jsonl", "--on", "ray://127.0.0.1:1"]),
}

# Further modules that some of ours import at their top, and that are imported late themselves.
OTHERS = {"ngh2", "graphql", "grpc"}


def look_at_files() -> None:
    """The package is the installed one, says its version, and is typed."""
    home = Path(asyncapi.__file__)
    assert home.is_relative_to(sys.prefix), f"{home} is not in {sys.prefix}"
    assert files("asyncapi").joinpath("py.typed").is_file(), "py.typed is missing"
    version = importlib.metadata.version("asyncapi-sdk")
    said = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    assert version in said, (version, said)
    for name in asyncapi.__all__:
        getattr(asyncapi, name)


def import_everything() -> int:
    """Every module can be imported, but those that an extra is missing for, which name it."""
    count, brought = 0, {*OTHERS, *(module for module, _ in EXTRAS.values())}
    for found in pkgutil.walk_packages(asyncapi.__path__, "asyncapi."):
        if found.name.endswith("__main__"):
            continue
        try:
            with warnings.catch_warnings():  # modules that have moved say so
                warnings.filterwarnings("ignore", r"asyncapi\.", DeprecationWarning)
                importlib.import_module(found.name)
        except (ModuleNotFoundError, asyncapi.ConfigError) as error:
            missing = error.__cause__ if isinstance(error, asyncapi.ConfigError) else error
            if (getattr(missing, "name", "") or "").partition(".")[0] not in brought:
                raise
        count += 1
    return count


def ask_for_extras() -> list[str]:
    """What an extra is missing for is one clear error that names it: returns the extras that were missing."""
    missing = []
    Path("in.txt").write_text("http://127.0.0.1:1/")
    for extra, (module, use) in EXTRAS.items():
        if importlib.util.find_spec(module) is not None:
            continue
        command = [COMMAND, *use] if isinstance(use, list) else [sys.executable, "-c", use]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        said = " ".join(done.stderr.split())
        assert done.returncode != 0, f"{use} works without the extra {extra}"
        assert f"asyncapi-sdk[{extra}]" in said, f"{use}: {said}"
        assert isinstance(use, str) or "Traceback" not in said, f"{use}: {said}"
        missing.append(extra)
    return missing


async def call(url: str) -> None:
    """One call with await, typed, and one that fails."""
    async with asyncapi.Client(url) as api:
        row = await api.get("/items/7", model=dict[str, object])
        assert row["id"] == 7, row  # noqa: PLR2004
        try:
            await api.get("/status/404")
        except asyncapi.NotFound:
            return
    raise AssertionError("a 404 is no error")


def fetch(url: str) -> None:
    """Three rows, by the command line."""
    Path("in.txt").write_text("".join(f"{url}/items/{number}\n" for number in range(3)))
    subprocess.run([COMMAND, "fetch", "in.txt", "-o", "out.jsonl", "--quiet"], check=True)  # noqa: S603
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [row["ok"] for row in rows] == [True] * 3, rows


def main() -> None:
    """Do all of it."""
    look_at_files()
    count, missing = import_everything(), ask_for_extras()
    serve = [COMMAND, "serve", "--port", "0", "--port-file", "port"]
    with subprocess.Popen(serve, stdout=subprocess.DEVNULL) as server:  # noqa: S603
        try:
            while not (Path("port").exists() and Path("port").read_text()):
                assert server.poll() is None, "asyncapi serve ended"
                time.sleep(0.05)
            url = f"http://127.0.0.1:{Path('port').read_text().strip()}"
            asyncio.run(call(url))
            with asyncapi.blocking.Client(url) as api:
                assert api.get("/items/1").json()["id"] == 1
            fetch(url)
        finally:
            server.terminate()
    print(f"smoke: well, on Python {sys.version.split()[0]}; {count} modules, extras not there: {', '.join(missing)}")


if __name__ == "__main__":
    main()
