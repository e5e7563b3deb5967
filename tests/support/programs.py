"""Programs that tests start, whose clients take the lane that the test runs on."""

from __future__ import annotations

import textwrap


def on_lane(lane: str, script: str) -> str:
    """Return the script, indented as one likes, with this lane as the default of its clients."""
    return f"from asyncapi.transports import factory\nfactory.DEFAULT = {lane!r}\n{textwrap.dedent(script)}"
