"""Read and change the responses of a SQLite file: what changes them belongs into a transaction of the caller.

Rules:
1. Space is made before something is stored: the entries that were not used for the longest time go first. What counts
   are pages in use, so that the bound is one of bytes on the disk. An entry that was used in the future was written by
   a clock that was wrong: it counts as the oldest.
2. A response whose key was invalidated since it was requested is not stored.
3. The numbers of invalidations are kept for an hour, the last ten thousand of them. A request that is older than what
   is kept can't be told from an overtaken one: its response is not stored.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from asyncapi.stores.responses import LEASE, UNSHARED
from asyncapi.stores.sqlite_file import PAGE, is_locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from asyncapi.stores.responses import Claimed

_KEPT, _MOST_KEPT = 3600, 10_000  # seconds and numbers of invalidations (rule 3)
_FORGOTTEN = 60  # seconds after which an expired claim is removed
_AT_A_TIME = 64  # entries that are looked at to make space
FRESH_USE = 60  # seconds in which a second use is not written down
GET = "SELECT entries.id, used, value FROM entries JOIN bodies USING (id) WHERE key = ? ORDER BY entries.id"


def at_once(base: sqlite3.Connection, change: Callable[[sqlite3.Connection], object]) -> bool:
    """Make a change in a transaction of its own; return False where another process holds the lock.

    Raises:
        sqlite3.Error: It can't be made.
    """
    try:
        base.execute("BEGIN IMMEDIATE")
        change(base)
        base.execute("COMMIT")
    except sqlite3.Error as error:
        if base.in_transaction:
            base.execute("ROLLBACK")
        if not is_locked(error):
            raise
        return False
    return True


def last_drop(base: sqlite3.Connection) -> int:
    """The number of the last invalidation."""
    row = base.execute("SELECT seq FROM sqlite_sequence WHERE name = 'dropped'").fetchone()
    return 0 if row is None else int(row[0])


def overtaken(base: sqlite3.Connection, place: bytes, begun: tuple[int, float]) -> bool:
    """Whether a key was invalidated since a request began (rule 2)."""
    number, at = begun
    if time.monotonic() - at > _KEPT:
        return True
    if base.execute("SELECT 1 FROM dropped WHERE key = ? AND number > ? LIMIT 1", (place, number)).fetchone():
        return True
    first = base.execute("SELECT min(number) FROM dropped").fetchone()[0]
    return first is not None and first > number + 1  # rule 3


def drop(base: sqlite3.Connection, places: Iterable[bytes]) -> None:
    """Remove keys, and have requests that are under way store nothing."""
    now = int(time.time())
    for place in places:
        base.execute("DELETE FROM bodies WHERE id IN (SELECT id FROM entries WHERE key = ?)", (place,))
        base.execute("DELETE FROM entries WHERE key = ?", (place,))
        base.execute("INSERT INTO dropped(key, at) VALUES (?, ?)", (place, now))
    last = last_drop(base)
    base.execute(
        "DELETE FROM dropped WHERE number < ? AND (number <= ? OR at < ?)", (last, last - _MOST_KEPT, now - _KEPT)
    )


def drop_all(base: sqlite3.Connection) -> None:
    """Remove everything: too many keys were invalidated while the file could not be written."""
    base.execute("DELETE FROM bodies")
    base.execute("DELETE FROM entries")


def put(base: sqlite3.Connection, place: bytes, new: Sequence[tuple[bytes, bytes]], gone: Iterable[bytes]) -> None:
    """Store values under their variants, in place of older ones, and remove variants that are gone."""
    now = int(time.time())
    for variant in (*gone, *(variant for variant, _ in new)):
        base.execute(
            "DELETE FROM bodies WHERE id IN (SELECT id FROM entries WHERE key = ? AND variant = ?)", (place, variant)
        )
        base.execute("DELETE FROM entries WHERE key = ? AND variant = ?", (place, variant))
    for variant, value in new:
        cursor = base.execute(
            "INSERT INTO entries(key, variant, used, size) VALUES (?, ?, ?, ?)", (place, variant, now, len(value))
        )
        base.execute("INSERT INTO bodies VALUES (?, ?)", (cursor.lastrowid, value))


def touch(base: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Write down that entries were used."""
    now = int(time.time())
    base.executemany("UPDATE entries SET used = ? WHERE id = ?", [(now, number) for number in ids])


def make_space(base: sqlite3.Connection, wanted: int, bound: int) -> int:
    """Remove the least recently used entries until `wanted` bytes fit below the bound (rule 1).

    Returns:
        How many entries were removed.
    """
    removed = 0
    base.execute("UPDATE entries SET used = 0 WHERE used > ?", (int(time.time()) + FRESH_USE,))
    while (excess := pages_in_use(base) * PAGE + wanted - bound) > 0:
        oldest = base.execute("SELECT id, size FROM entries ORDER BY used, id LIMIT ?", (_AT_A_TIME,)).fetchall()
        if not oldest:
            break
        ids: list[tuple[int]] = []
        for number, size in oldest:
            ids.append((number,))
            excess -= size
            if excess <= 0:
                break
        base.executemany("DELETE FROM bodies WHERE id = ?", ids)
        base.executemany("DELETE FROM entries WHERE id = ?", ids)
        removed += len(ids)
    return removed


def pages_in_use(base: sqlite3.Connection) -> int:
    """Pages of the file that hold something."""
    pages, free = (int(base.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count"))
    return pages - free


def claim(base: sqlite3.Connection, name: bytes, holder: str) -> None:
    """Take a claim that nobody holds, or whose holder has let it expire; ask `claimed` whether that was so."""
    if claimed(base, name, holder) == "mine":
        now = time.time()
        base.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?)", (name, holder, now + LEASE))
        base.execute("DELETE FROM claims WHERE ends < ?", (now - _FORGOTTEN,))


def claimed(base: sqlite3.Connection, name: bytes, holder: str) -> Claimed:
    """Whether a claim is or could be this holder's ("mine"), is another's ("held"), or nobody's ("free")."""
    row = base.execute("SELECT holder, ends FROM claims WHERE name = ?", (name,)).fetchone()
    now = time.time()
    # its time is over, or was written by a clock that has been set back since
    if row is None or row[1] <= now or row[1] > now + 2 * UNSHARED or row[0] == holder:
        return "mine"
    return "held" if row[0] else "free"


def release(base: sqlite3.Connection, name: bytes, holder: str, shared: float) -> None:
    """Give a claim back; for `shared` seconds nobody needs it."""
    mine = base.execute("SELECT 1 FROM claims WHERE name = ? AND holder = ?", (name, holder)).fetchone()
    if mine and shared:
        base.execute("UPDATE claims SET holder = '', ends = ? WHERE name = ?", (time.time() + shared, name))
    elif mine:
        base.execute("DELETE FROM claims WHERE name = ?", (name,))


def renew(base: sqlite3.Connection, name: bytes, holder: str) -> None:
    """Keep a claim."""
    base.execute("UPDATE claims SET ends = ? WHERE name = ? AND holder = ?", (time.time() + LEASE, name, holder))
