"""Compare our reader of HTTP/1.1 with three others, over responses that are written by the grammar and then changed.

    python tests/support/http1_fuzz.py --seconds 600      # or: make fuzz ARGS='--seconds 600'

Findings:
1. our result depends on where the bytes are cut;
2. we and another reader both take a response, and differ in status, headers or body, but for `READ_OTHERWISE`;
3. two of three refuse a response that we take, one of them for a reason that is not in `TAKEN`;
4. all three take a response that we refuse for a reason that is not in `REFUSED`;
5. we keep a connection that those who take its response would close, but for `KEPT`.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if __name__ == "__main__":
    sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from http1_known import KEPT, READ_OTHERWISE, REFUSED, TAKEN, Known
from http1_mutations import changed, written
from http1_peers import PEERS, Verdict, by_ours
from http1_pieces import cuts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Finding(NamedTuple):
    """A response that is a finding, by which rule, and what the readers made of it."""

    rule: str
    data: bytes
    method: str
    ours: Verdict
    others: dict[str, Verdict]


def examined(data: bytes, method: str, chance: random.Random) -> tuple[str, Finding | None]:
    """Compare what the readers make of one response: in a word for the counts, and as a finding."""
    ours = by_ours([data], method)
    others = {name: verdict for name, read in PEERS.items() if (verdict := read(data, method)) is not None}

    def finding(rule: str) -> tuple[str, Finding]:
        return rule, Finding(rule, data, method, ours, others)

    if by_ours(cuts_of(data, chance), method) != ours:
        return finding("our result depends on the cuts")
    if ours.status == 101:  # what follows is another protocol, which h11 and llhttp have to be told of before
        return "switches protocols", None
    took = {name: verdict for name, verdict in others.items() if not verdict.why}
    if not ours.why:
        if any(verdict.says() != ours.says() for verdict in took.values()) and not _known(READ_OTHERWISE, "", data):
            return finding("the results differ")
        refusals = [verdict.why for verdict in others.values() if verdict.why]
        if len(refusals) > 1 and not all(_known(TAKEN | READ_OTHERWISE, why, data) for why in refusals):
            return finding("two refuse what we take")
        closed = len(took) > 1 and not any(verdict.keep for verdict in took.values())
        if ours.keep and closed and not _known(KEPT, "", data):
            return finding("we keep a connection that the others close")
        return ("taken, and by all" if not refusals else "taken, and refused by some for known reasons"), None
    if len(took) == len(others):
        if not _known(REFUSED, ours.why, data):
            return finding("all take what we refuse")
        return "refused for known reasons, and taken by all", None
    return ("refused by all" if not took else "refused, and by some"), None


def _known(table: dict[str, Known], words: str, data: bytes) -> bool:
    return any(re.search(known.words, words) and re.search(known.within, data) for known in table.values())


def cases(seed: int) -> Iterator[tuple[bytes, str, random.Random]]:
    """Write responses without end, the same ones for the same seed."""
    chance = random.Random(seed)
    while True:
        yield changed(written(chance), chance), chance.choice(["GET"] * 9 + ["HEAD"]), chance


def run(stream: Iterable[tuple[bytes, str, random.Random]]) -> tuple[Counter[str], list[Finding]]:
    """Examine cases; return how often what came of them, and one finding of each kind."""
    counts: Counter[str] = Counter()
    findings: dict[Any, Finding] = {}
    for data, method, chance in stream:
        word, finding = examined(data, method, chance)
        counts[word] += 1
        if finding is not None:
            words = tuple(verdict.why.partition(":")[0] for verdict in (finding.ours, *finding.others.values()))
            findings.setdefault((finding.rule, words), finding)
    return counts, [*findings.values()]


def shown(finding: Finding) -> str:
    """Describe a finding in a few lines."""
    verdicts = {"ours": finding.ours, **finding.others}
    lines = [f"{name:8} {verdict.why or verdict.says()}"[:200] for name, verdict in verdicts.items()]
    return "\n  ".join([f"{finding.rule}: {finding.method} {finding.data!r}", *lines])


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare our reader of HTTP/1.1 with h11, llhttp and aiohttp's.")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run (default: a new one)")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(2**32)
    end = time.monotonic() + given.seconds
    counts, findings = run(itertools.takewhile(lambda _: time.monotonic() < end, cases(seed)))
    print(f"seed {seed}: {counts.total():,} responses")
    for word, count in counts.most_common():
        print(f"{count:10,}  {word}")
    for finding in findings[:20]:
        print(shown(finding))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
