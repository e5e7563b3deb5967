"""`asyncapi trace what-if`: what another retry policy would have led to."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from asyncapi.cli.commands import Command
from asyncapi.cli.options import SWITCH, Kind, Opt, Table, complete_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from asyncapi.sansio.failures.off_policy import Figure
    from asyncapi.trace.what_if import WhatIf

_POLICIES = Kind(tuple, many=True)

TABLE: Table = {
    "Policies": (
        Opt(
            "policy", "--policy -p", "POLICY",
            "none, default, learned, attempts=6,base=1,cap=10, or wait=0.5,attempts=3. May be repeated; by default "
            "none and default.", _POLICIES,
        ),
    ),
    "Output": (Opt("json", "--json", "", "Print JSON.", SWITCH),),
}  # fmt: skip

HELP = """\
Estimate what another retry policy would have led to, without sending anything.

TRACE is what asyncapi.trace.Recorder has saved, of a client with
Retry(policy=Learned()): it tries each wait now and then, and records how likely
it was to. It may be compressed with gzip; - is standard input.

The estimate is doubly robust, with an interval of 95 %. It leaves out the retry
budget of the other policy, and a wait stands for the recorded waits nearest to
it. Where the trace can't tell, the output says why, and the command ends
with 1."""

EXAMPLES = """\
Examples:
  asyncapi trace what-if storm.jsonl --policy none --policy default
  asyncapi trace what-if storm.jsonl --policy attempts=6,base=1,cap=10
  asyncapi trace what-if storm.jsonl --policy wait=0.5 --json"""

_DEFAULT = ("none", "default")
_QUIET = 1.0  # seconds until the progress is shown, and between two lines of it


def ask(given: Mapping[str, Any]) -> int:
    """Print the estimates; returns 1 where the trace can't tell one."""
    from asyncapi.errors import ConfigError
    from asyncapi.trace.format import decisions_of
    from asyncapi.trace.policies import policy_of
    from asyncapi.trace.what_if import estimates

    name, policies, show = str(given["file"]), given["policy"] or _DEFAULT, _Progress(str(given["file"]))
    for text in policies:  # before a large trace is read
        policy_of(text)
    try:
        with _twice_readable(name) as path:
            found = estimates(lambda: decisions_of(path, name=name, read=show), policies)
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror or error}") from None
    finally:
        show.clear()
    if given["json"]:
        print(json.dumps({"trace": name, "policies": [each.as_dict() for each in found]}, indent=2))
    else:
        print("\n".join(_lines(found)))
    return int(any(each.evaluation is None for each in found))


@contextmanager
def _twice_readable(name: str) -> Iterator[Path]:
    """Return a path that can be read twice: a pipe can't, so what comes from it is put into a file."""
    path = Path("/dev/stdin" if name == "-" else name)
    if path.is_file() or path.is_dir() or not path.exists():
        yield path
        return
    import shutil
    import tempfile

    with path.open("rb") as pipe, tempfile.NamedTemporaryFile() as kept:
        shutil.copyfileobj(pipe, kept)
        kept.flush()
        yield Path(kept.name)


class _Progress:
    """Shows on a terminal how far a large trace was read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shows = sys.stderr.isatty()
        self._next = monotonic() + _QUIET

    def __call__(self, line: int) -> None:
        if self._shows and monotonic() >= self._next:
            self._next = monotonic() + _QUIET
            print(f"\r{self._name}: {line:,} lines read (twice in all)\x1b[K", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line off the terminal."""
        if self._shows:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _lines(found: Sequence[WhatIf]) -> list[str]:
    """The table: a line for each policy."""
    first = found[0]
    width = max(len(each.policy) for each in found)
    held = f", {first.held:,} held until their host accepted connections" if first.held else ""
    lines = [
        f"{first.calls:,} calls, {first.failing:,} with a failed attempt{held}",
        f"{'policy':<{width}}  {'failed':<24}{'attempts per call':<24}{'mean wait':<24}",
    ]
    for each in found:
        if each.evaluation is None:
            lines.append(f"{each.policy:<{width}}  can't tell: {each.why_not}")
            continue
        seen = each.evaluation
        cells = (_percent(seen.failed), _plain(seen.attempts, ""), _plain(seen.wait, " s"))
        lines.append(f"{each.policy:<{width}}  {''.join(f'{cell:<24}' for cell in cells)}".rstrip())
    return lines


def _percent(figure: Figure) -> str:
    return f"{figure.mean:.2%} ({figure.low:.2%}..{figure.high:.2%})"


def _plain(figure: Figure, unit: str) -> str:
    return f"{figure.mean:.3f}{unit} ({figure.low:.3f}..{figure.high:.3f})"


command: Command = Command(
    "what-if", ask, TABLE, help=HELP, short="Estimate another retry policy.", epilog=EXAMPLES,
    arguments=[click.Argument(["file"], metavar="TRACE", type=click.UNPROCESSED, shell_complete=complete_files)],
)  # fmt: skip
