"""Record what a client did, and replay it: the same calls, the same responses, in virtual time.

A `Recorder` stands in for a client's transport, clock and outermost layer. It records what came from outside (when
calls started and with which options, when they were cancelled, the response to each attempt and how long it took, every
random draw) and what the client decided (`decisions`). `replay` gives the same input to a new client on a virtual clock
and returns what that one decided. With the same settings these are the same decisions; with other settings, this is
what they would have done in the same situation.

    recorder = Recorder(transport)
    async with recorder.client("https://api.example.com", retry=Retry(4)) as api: ...
    recorder.trace.save("storm.jsonl")

    again = replay(Trace.load("storm.jsonl"), retry=Retry(4))
    assert again.decisions == recorder.trace.decisions

- A trace of virtual time (`asyncapi.testing.run`) replays bit by bit. In one of real time, the time in queues varies
  with the machine; compare its `outline`, which has no durations.
- Of a response, the first 64 KiB are recorded, for predicates on results; of a stream, when it was opened and closed.
- Secrets whose names say so are masked, each by a name of its own.
- tenacity strategies of a single call (`api.get(..., retry=Retry(wait=...))`) can't be recorded; the client's are.
"""

import warnings
from typing import Any

from asyncapi.trace.format import RecordedCall, RecordedExchange, Trace
from asyncapi.trace.recorder import Recorder
from asyncapi.trace.replay import replay
from asyncapi.trace.what_if import WhatIf, what_if

__all__ = ["RecordedCall", "RecordedExchange", "Recorder", "Trace", "WhatIf", "replay", "what_if"]

_RENAMED = {"Came": RecordedCall, "Met": RecordedExchange}


def __getattr__(name: str) -> Any:
    """Names of 0.1; they go with the next minor release."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    renamed = _RENAMED[name]
    warnings.warn(f"asyncapi.trace.{name} is now {renamed.__name__}", DeprecationWarning, stacklevel=2)
    return renamed
