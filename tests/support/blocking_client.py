"""What tests of the blocking client share: a model, and the threads of such clients."""

from __future__ import annotations

import threading

from pydantic import BaseModel


class Item(BaseModel):
    id: int
    name: str


def ours():
    return [thread for thread in threading.enumerate() if thread.name == "asyncapi-blocking"]
