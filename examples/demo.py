"""`make demo`: 5,000 typed rows from a server that misbehaves, by the command line anyone would use.

It starts `asyncapi serve` with faults (429 with Retry-After, 5xx, dropped connections, slow answers), then runs
`asyncapi fetch` on it, and leaves the rows and a report with plots in demo-out/. Every command is shown.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
ASYNCAPI = str(Path(sys.executable).with_name("asyncapi"))
OUT = Path("demo-out")
SERVE = """serve --port 0 --port-file demo-out/port --latency 20-80 --rate-limit 450/s --error-rate 0.04
    --drop-rate 0.02 --slow-rate 0.03 --slow 1 --seed 7"""
FETCH = """fetch --url {server}/items/{{id}} --from demo-out/ids.csv --model examples.models:Item
    --concurrency 100 --rate 500/s --retry 6 -o demo-out/items.jsonl --report demo-out/report.html"""
PATIENCE = 30.0


def command(line: str) -> list[str]:
    """The arguments of a command line, which is shown as it would be typed."""
    arguments = line.split()
    print("$ " + shlex.join(["asyncapi", *arguments]), flush=True)
    return [ASYNCAPI, *arguments]


@contextmanager
def server() -> Iterator[str]:
    """The address of a running `asyncapi serve`, which ends with the block."""
    with (OUT / "server.log").open("w") as log:
        process = subprocess.Popen(command(SERVE), stdout=log, stderr=log, process_group=0)  # Ctrl-C is not for it
    try:
        give_up = time.monotonic() + PATIENCE
        while not (OUT / "port").exists():
            if process.poll() is not None or time.monotonic() > give_up:
                sys.exit(f"the server did not start:\n{(OUT / 'server.log').read_text()}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{(OUT / 'port').read_text().strip()}"
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Run the demo; the exit status is that of `asyncapi fetch`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000, help="how many rows to fetch (5000)")
    rows = parser.parse_args().rows
    os.chdir(ROOT)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    (OUT / "ids.csv").write_text("id\n" + "".join(f"{number}\n" for number in range(1, rows + 1)))
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for `asyncapi fetch`, which saves what it has
    with server() as address:
        status = subprocess.run(command(FETCH.format(server=address)), check=False).returncode
    print(f"\nThe rows are in {OUT}/items.jsonl, the plots in {OUT}/report.html (open it in a browser).")
    return status


if __name__ == "__main__":
    sys.exit(main())
