"""A disk that loses its power: it records every change of files, and shows what may be left of them.

A write, a cut, a rename or a removal is on the disk for sure once it has been synced: a file's bytes by a sync of the file,
its name by a sync of the folder. Of what has not been synced, anything may be missing: all, some, or half of a write.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


@dataclass(frozen=True)
class Change:
    """One change: `file` is a number that a file keeps when it is renamed."""

    kind: str  # create, write, cut, rename, remove, sync, sync folder
    file: int
    name: str = ""
    at: int = 0
    data: bytes = b""


class Recorder:
    """Stands in for the module `os` in `asyncapi.bulk.disk`."""

    def __init__(self) -> None:
        self.changes = []
        self._files = {}  # by name
        self._open = {}  # by descriptor
        self._count = 0

    def __getattr__(self, name):
        return getattr(os, name)

    def open(self, path, flags, mode=0o777):
        name = str(path)
        descriptor = os.open(path, flags, mode)
        if name not in self._files and not Path(path).is_dir():
            self._count += 1
            self._files[name] = self._count
            self.changes.append(Change("create", self._count, name))
        self._open[descriptor] = self._files.get(name, 0)
        return descriptor

    def write(self, descriptor, data):
        at = os.fstat(descriptor).st_size
        written = os.write(descriptor, data)
        self.changes.append(Change("write", self._open[descriptor], at=at, data=bytes(data[:written])))
        return written

    def ftruncate(self, descriptor, size):
        os.ftruncate(descriptor, size)
        self.changes.append(Change("cut", self._open[descriptor], at=size))

    def fsync(self, descriptor):
        file = self._open.get(descriptor, 0)
        self.changes.append(Change("sync" if file else "sync folder", file))

    def replace(self, old, new):
        os.replace(old, new)
        file = self._files[str(new)] = self._files.pop(str(old))
        self.changes.append(Change("rename", file, str(new)))

    def unlink(self, path):
        os.unlink(path)
        self.changes.append(Change("remove", self._files.pop(str(path)), str(path)))


_OF_FOLDER = frozenset({"create", "rename", "remove"})


def unsynced(changes):
    """The places of the changes that may be missing after a power cut at their end."""
    lost, synced, folder = [], set(), False
    for place in range(len(changes) - 1, -1, -1):
        change = changes[place]
        if change.kind == "sync":
            synced.add(change.file)
        elif change.kind == "sync folder":
            folder = True
        elif not folder if change.kind in _OF_FOLDER else change.file not in synced:
            lost.append(place)
    return lost[::-1]


def losses(changes, draw: random.Random, *, more=4):
    """What may be lost: for each case, the places of the changes with how many bytes of them are left (-1 none)."""
    places = unsynced(changes)
    yield {}
    yield dict.fromkeys(places, -1)
    for place in places:
        yield {place: -1}
        yield {other: -1 for other in places if other != place}
        if changes[place].kind == "write" and len(changes[place].data) > 1:
            half = draw.randrange(1, len(changes[place].data))
            yield {place: half}
            yield {other: -1 for other in places if other > place} | {place: half}
    for _ in range(more):
        yield {place: -1 for place in places if draw.random() < 0.5}


def left(changes, lost):
    """The files after a power cut: their bytes by name."""
    contents, names = {}, {}
    for place, change in enumerate(changes):
        kept = lost.get(place)
        if kept == -1:
            continue
        content = contents.setdefault(change.file, bytearray())
        if change.kind == "write":
            data = change.data if kept is None else change.data[:kept]
            content.extend(bytes(max(0, change.at - len(content))))
            content[change.at : change.at + len(data)] = data
        elif change.kind == "cut":
            content.extend(bytes(max(0, change.at - len(content))))
            del content[change.at :]
        elif change.kind in {"create", "rename"}:
            for name in [name for name, file in names.items() if file == change.file]:
                del names[name]
            names[change.name] = change.file
        elif change.kind == "remove" and names.get(change.name) == change.file:
            del names[change.name]
    return {name: bytes(contents[file]) for name, file in names.items()}
