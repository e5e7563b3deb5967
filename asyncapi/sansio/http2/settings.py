"""Keep the settings of both sides of a connection (RFC 9113 section 6.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http2 import frames
from asyncapi.sansio.http2.events import (
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    ConnectionFault,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from asyncapi.sansio.http2.packing import Packer
    from asyncapi.sansio.http2.streams import Stream
    from asyncapi.sansio.http2.windows import Windows

FEW_STREAMS = 100  # until the server says how many: section 6.5.2 recommends no fewer
ANY_STREAMS = 2**32 - 1


class Settings:
    """The settings of one connection.

    Args:
        most: Most values in one SETTINGS frame.
        windows: Learn what the server says of them.
        packer: Learns how large the table for header fields may be.

    Attributes:
        limit: The most streams that the server allows at once.
        begun: The server has sent its first SETTINGS.
    """

    limit: int
    begun: bool

    def __init__(self, most: int, windows: Windows, packer: Packer) -> None:
        self.limit = FEW_STREAMS
        self.begun = False
        self._most = most
        self._windows = windows
        self._packer = packer
        self._unsettled = 0  # SETTINGS of ours that are not acknowledged

    def ours(self, window: int, head: int) -> bytes:
        """Write the settings of our side.

        Args:
            window: How many unread bytes the server may send on a stream.
            head: Most bytes of a response's head.
        """
        self._unsettled += 1
        values = {frames.ENABLE_PUSH: 0, frames.INITIAL_WINDOW_SIZE: window, frames.MAX_HEADER_LIST_SIZE: head}
        return frames.settings(values)

    def receive(self, flags: int, payload: bytes, streams: Collection[Stream]) -> bytes:
        """Take in a SETTINGS frame.

        Returns:
            The acknowledgement to write; b"" for one.

        Raises:
            ConnectionFault: The frame breaks a rule.
        """
        if flags & frames.ACK:
            frames.sized("SETTINGS", payload, 0)
            if not self._unsettled:
                raise ConnectionFault(PROTOCOL_ERROR, "the server acknowledges settings that were not sent")
            self._unsettled -= 1
            self._windows.settle(streams)
            return b""
        if len(payload) % frames.SETTING.size:
            raise ConnectionFault(FRAME_SIZE_ERROR, "a SETTINGS frame has a part of a setting")
        if len(payload) > frames.SETTING.size * self._most:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "a SETTINGS frame has too many settings")
        if not self.begun:
            self.begun, self.limit = True, ANY_STREAMS
        for setting, value in frames.SETTING.iter_unpack(payload):
            self._set(setting, value, streams)
        return frames.frame(frames.SETTINGS, frames.ACK, 0)

    def _set(self, setting: int, value: int, streams: Collection[Stream]) -> None:
        """Keep a setting of the server (section 6.5.2)."""
        if setting == frames.MAX_CONCURRENT_STREAMS:
            self.limit = value
        elif setting == frames.INITIAL_WINDOW_SIZE:
            self._windows.begin_with(value, streams)
        elif setting == frames.HEADER_TABLE_SIZE:
            self._packer.resize(value)
        elif (setting == frames.ENABLE_PUSH and value) or (
            setting == frames.MAX_FRAME_SIZE and not frames.LEAST_FRAME <= value <= frames.LARGEST_FRAME
        ):
            raise ConnectionFault(PROTOCOL_ERROR, "a setting has a value that it may not")
