"""Adaptive limits against servers of every kind and size: the worst that came out once there was time to settle.

used      least share of the server's places in use, from ten seconds after each change on
rejected  largest share of the attempts that were turned away in the same time
after     longest time until the server was used to nine tenths, three seconds on end, for good
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from asyncapi.settings import Adaptive

from .closed_loop import ClosedLoop, Phase, exponential, tailed, uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

ALGORITHMS = ("gradient2", "vegas", "aimd")
CHANGES = (50, 500, 20)
SIZES = (1, 2, 5, 20, 50, 500, 2000)
SETTLE = 10  # seconds
QUEUES = {"queues as many as it serves": 1.0, "queues a fifth of that": 0.2, "refuses at once": 0.0}
SHAPES = {"even": uniform, "uneven": exponential, "slow tail": tailed}


@dataclass(frozen=True)
class Worst:
    """What came out; see the top of this file."""

    used: float
    rejected: float
    after: float | None = None


def changes(algorithm: str, queue: float, shape: str, seeds: Sequence[int] = (1,)) -> Worst:
    """A hidden limit of 50, then 500, then 20, half a minute each."""
    phases = [Phase(30 * number, workers) for number, workers in enumerate(CHANGES)]
    runs = [
        ClosedLoop(Adaptive(algorithm).start(), phases, queue=queue, shape=SHAPES[shape], seed=seed).run(90)
        for seed in seeds
    ]
    spans = [(seen, start, start + 30) for seen in runs for start in (0, 30, 60)]
    return Worst(
        min(seen.utilisation(start + SETTLE, end) for seen, start, end in spans),
        max(seen.rejections(start + SETTLE, end) for seen, start, end in spans),
        max(seen.settled(start, end) for seen, start, end in spans),
    )


def size(algorithm: str, queue: float, workers: int) -> Worst:
    """A server that stays as it is, each request a tenth of a second."""
    seconds = 90 if workers < 20 else 40 if workers < 1000 else 20
    seen = ClosedLoop(Adaptive(algorithm, maximum=5000).start(), [Phase(0, workers)], queue=queue).run(seconds)
    return Worst(seen.utilisation(SETTLE, seconds), seen.rejections(SETTLE, seconds))


def measure(*, quick: bool = False) -> dict[str, Any]:
    """The whole matrix, as plain data."""
    return {
        "changes": {
            f"{kind}, {shape}": {one: asdict(changes(one, queue, shape)) for one in ALGORITHMS}
            for kind, queue in QUEUES.items()
            for shape in (("even",) if quick else SHAPES)
        },
        "sizes": {
            str(workers): {
                f"{one}, {kind}": asdict(size(one, queue, workers))
                for kind, queue in (("queues", 1.0), ("refuses", 0.0))
                for one in ALGORITHMS
            }
            for workers in ((5, 50) if quick else SIZES)
        },
    }
