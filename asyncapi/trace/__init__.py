"""Record what a client did, and replay it: the same calls, the same answers, in virtual time.

A `Recorder` gives a client its transport, clock and outermost layer, and writes down what came from outside (when
calls came and what they asked for, when they were cancelled, what each attempt met and how long it took, every draw of
chance) and what was decided (`decisions`). `replay` feeds the same outside to a client made anew, on a virtual clock,
and returns what it decided. With the same settings these are the same decisions; with other settings, this is what they
would have done to the same past.

    recorder = Recorder(transport)
    async with recorder.client("https://api.example.com", retry=Retry(4)) as api: ...
    recorder.trace.save("storm.jsonl")

    again = replay(Trace.load("storm.jsonl"), retry=Retry(4))
    assert again.decisions == recorder.trace.decisions

A trace of virtual time (`asyncapi.testing.run`) replays bit by bit. One of real time has the jitter of the machine in
its queueing times; its `decisions` are compared without durations (`outline`). Of answers, the first 64 KiB are written
down, for predicates on results; of streams, when they were opened and closed. Secrets
are masked, each by a name of its own, wherever their names tell them.
tenacity strategies of a single call (`api.get(..., retry=Retry(wait=...))`) can't be written down: the client's are.
"""

from asyncapi.trace.format import Came, Met, Trace
from asyncapi.trace.recorder import Recorder
from asyncapi.trace.replay import replay

__all__ = ["Came", "Met", "Recorder", "Trace", "replay"]
