"""A model of the lease protocol, small enough to look at every interleaving: workers, Redis, the network, and files.

Each step of a worker is one that a freeze, a kill or a lost reply can follow: a worker that is frozen is one whose next
step comes late. Time is whole ticks. One chunk has one row, a POST that must not be sent twice.

`Redis.take` and `Redis.keep` do what the scripts of `redis_leases.py` do: a test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TTL, EARLY = 3, 1  # ticks
LONG_AGO = -TTL - 1


class Record(NamedTuple):
    """What Redis knows of a chunk."""

    holder: str = "-"
    ends: int = LONG_AGO
    epoch: int = 0


class Redis(NamedTuple):
    """A Redis: which process it is, and what it knows of the job."""

    run: int = 0
    known: int = -1  # the process that the job's key names; -1: there is no key
    since: int = LONG_AGO
    record: Record = Record()

    def looked(self, now: int) -> Redis:
        """Rule 3: a Redis that doesn't know the job has just come back."""
        if self.known != self.run or self.since > now:
            return self._replace(known=self.run, since=now)
        return self

    def quiet(self, now: int, ttl: int = TTL) -> bool:
        return self.since + ttl - now > 0

    def take(self, token: str, above: int, now: int, ttl: int = TTL) -> tuple[Redis, int]:
        """Grant a lease; returns its epoch, or 0."""
        redis = self.looked(now)
        record = redis.record
        if record.holder == token and record.ends > now:
            return redis._replace(record=Record(token, now + ttl, record.epoch)), record.epoch
        if redis.quiet(now, ttl) or record.ends > now:
            return redis, 0
        epoch = max(record.epoch, above) + 1
        return redis._replace(record=Record(token, now + ttl, epoch)), epoch

    def keep(self, token: str, epoch: int, now: int, ttl: int = TTL) -> tuple[Redis, int]:
        """Renew a lease; returns 1 or 0."""
        redis = self.looked(now)
        record = redis.record
        own = record.holder == token and record.epoch == epoch and record.ends > now
        if own or (redis.quiet(now, ttl) and epoch > record.epoch):
            return redis._replace(record=Record(token, now + ttl, epoch)), 1
        return redis, 0


class Epoch(NamedTuple):
    """The files of an epoch: a journal of `>`, `<`, `+`, or None where it has none; and the rows of its shard."""

    journal: tuple[str, ...] | None = None
    shard: tuple[str, ...] = ()


class Call(NamedTuple):
    """A call to Redis under way; its reply is None until the script has run."""

    what: str
    token: str
    number: int
    asked: int
    reply: int | None = None


class Worker(NamedTuple):
    """A worker: what it does next, and what it believes."""

    phase: str = "idle"
    life: int = 0
    epoch: int = 0
    until: int = LONG_AGO
    call: Call | None = None
    copied: Epoch = Epoch()


class World(NamedTuple):
    """Everything at one moment. Times are relative to now."""

    redis: Redis
    workers: tuple[Worker, ...]
    epochs: tuple[Epoch, ...] = ()
    strays: frozenset[Call] = frozenset()  # calls that nobody waits for any more, and that may still reach Redis
    sent: int = 0
    done: int = 0
    kills: int = 0
    restarts: int = 0
    slow: int = 0  # calls that took their time, or were cut off: the others are one step


class Rules(NamedTuple):
    """Which safeguards there are: without one of them, the model must find what goes wrong."""

    looks_again: bool = True
    quiet: bool = True
    late_replies_count: bool = False
    starts_above_disk: bool = True
    own_files: bool = True
    window: bool = True  # a worker may freeze between the last look and the write


def steps(world: World, rules: Rules, kills: int, restarts: int, slow: int) -> Iterator[tuple[str, World]]:
    """Yield every step that can come next, with its name."""
    yield "a tick passes", _tick(world)
    if world.restarts < restarts:
        empty = Redis(run=world.redis.run + 1)
        if not rules.quiet:
            empty = empty._replace(known=empty.run)
        yield "Redis comes back empty", world._replace(redis=empty, restarts=world.restarts + 1)
    for call in world.strays:
        redis, _ = _executed(world.redis, call)
        yield f"Redis runs a late {call.what}", world._replace(redis=redis, strays=world.strays - {call})
    for at, worker in enumerate(world.workers):
        name = "AB"[at]
        if world.kills < kills and worker.phase != "idle":
            fresh = Worker(life=-1)
            yield f"{name} is killed", _with(_strayed(world, at), at, fresh)._replace(kills=world.kills + 1)
        for what, after in _steps_of(world, at, worker, rules, slow):
            yield f"{name} {what}", after


def _tick(world: World) -> World:
    def old(time: int) -> int:
        return max(LONG_AGO, time - 1)

    redis = world.redis._replace(
        since=old(world.redis.since), record=world.redis.record._replace(ends=old(world.redis.record.ends))
    )
    workers = tuple(
        worker._replace(
            until=old(worker.until), call=worker.call and worker.call._replace(asked=old(worker.call.asked))
        )
        for worker in world.workers
    )
    strays = frozenset(call._replace(asked=old(call.asked)) for call in world.strays)
    return world._replace(redis=redis, workers=workers, strays=strays)


def _executed(redis: Redis, call: Call) -> tuple[Redis, int]:
    run = redis.take if call.what == "take" else redis.keep
    return run(call.token, call.number, 0)


def _with(world: World, at: int, worker: Worker) -> World:
    if worker.life < 0:  # a new token: the first that nobody knows
        known = {world.redis.record.holder, *(call.token for call in world.strays)}
        known.add(_token(at, world.workers[at]))
        worker = worker._replace(life=next(n for n in range(9) if f"{at}.{n}" not in known))
    return world._replace(workers=(*world.workers[:at], worker, *world.workers[at + 1 :]))


def _strayed(world: World, at: int) -> World:
    """Leave the call of a worker to the network."""
    call = world.workers[at].call
    if call is None or call.reply is not None or world.strays:  # one stray at a time is enough
        return world
    return world._replace(strays=world.strays | {call})


def _put(world: World, epoch: int, files: Epoch) -> World:
    epochs = world.epochs + (Epoch(),) * (epoch - len(world.epochs))
    return world._replace(epochs=(*epochs[: epoch - 1], files, *epochs[epoch:]))


def _steps_of(world: World, at: int, worker: Worker, rules: Rules, slow: int) -> Iterator[tuple[str, World]]:
    for what, after in _single_steps(world, at, worker, rules):
        asking = after.workers[at].call if worker.call is None else None
        if asking is not None:
            redis, reply = _executed(after.redis, asking)
            heard = _heard(after.workers[at], asking._replace(reply=reply), rules)
            yield f"{what}, and gets {reply}", _with(after, at, heard)._replace(redis=redis)
            if world.slow < slow:
                yield what, after._replace(slow=world.slow + 1)
        else:
            yield what, after


def _single_steps(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    call = worker.call
    if call is not None and call.reply is None:
        redis, reply = _executed(world.redis, call)
        heard = _with(world, at, worker._replace(call=call._replace(reply=reply)))
        yield f"{call.what} reaches Redis", heard._replace(redis=redis)
        yield f"gives up its {call.what}", _strayed(_with(world, at, worker._replace(call=None)), at)
    elif call is not None:
        yield "hears from Redis", _with(world, at, _heard(worker, call, rules))
    if worker.phase in {"idle", "ended"}:
        if call is None and worker.phase == "idle":
            yield "asks for a lease", _asked(world, at, worker, rules)
        return
    if worker.until <= 0 and call is None:
        yield "sees that its lease is lost", _with(world, at, Worker(life=-1))
    if call is None and worker.until > 0:
        ask = Call("keep", _token(at, worker), worker.epoch, 0)
        yield "asks to renew", _with(world, at, worker._replace(call=ask))
    yield from _PHASES[worker.phase](world, at, worker, rules)


def _token(at: int, worker: Worker) -> str:
    return f"{at}.{worker.life}"


def _asked(world: World, at: int, worker: Worker, rules: Rules) -> World:
    if world.done:
        return _with(world, at, worker._replace(phase="ended"))
    above = len(world.epochs) if rules.starts_above_disk else 0
    return _with(world, at, worker._replace(call=Call("take", _token(at, worker), above, 0)))


def _heard(worker: Worker, call: Call, rules: Rules) -> Worker:
    timely = call.asked + EARLY > 0 or rules.late_replies_count
    until = call.asked + TTL - EARLY if timely else worker.until
    if call.what == "take":
        if call.reply and timely:
            return worker._replace(phase="begin", epoch=call.reply, until=until, call=None)
        return Worker(life=-1) if call.reply else worker._replace(call=None)
    if not call.reply:
        return Worker(life=-1)
    if worker.phase == "confirm" and until > 0:
        return worker._replace(phase="link", until=until, call=None)
    return worker._replace(until=until, call=None)


def _begin(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    if worker.epoch <= len(world.epochs) and rules.own_files:
        yield "finds its epoch begun", _with(world, at, Worker(life=-1))
    elif world.done:
        yield "finds the chunk done", _with(world, at, worker._replace(phase="ended"))
    else:
        own = world.epochs[worker.epoch - 1] if worker.epoch <= len(world.epochs) else Epoch()
        begun = _put(world, worker.epoch, own)
        phase = "copy" if _newest(begun, worker.epoch) else "open"
        yield "begins its epoch", _with(begun, at, worker._replace(phase=phase))


def _newest(world: World, epoch: int) -> int:
    """Return the newest epoch below one that counts; 0 if there is none."""
    counts = [past for past in range(1, epoch) if world.epochs[past - 1].journal is not None]
    return max(counts, default=0)


def _copy(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    past = world.epochs[_newest(world, worker.epoch) - 1]
    yield "copies the journal", _with(world, at, worker._replace(phase="copied", copied=Epoch(past.journal)))


def _copied(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    shard = world.epochs[_newest(world, worker.epoch) - 1].shard
    journal: list[str] = []
    for line in worker.copied.journal or ():
        if line != "+" or journal.count("+") < len(shard):
            journal.append(line)
    files = Epoch(tuple(journal), shard[: journal.count("+")])
    after = _with(world, at, worker._replace(phase="send", copied=Epoch()))
    yield "copies the shard, and publishes both", _put(after, worker.epoch, files)


def _open(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    yield "opens a journal", _put(_with(world, at, worker._replace(phase="send")), worker.epoch, Epoch(()))


def _send(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    files = world.epochs[worker.epoch - 1]
    journal = files.journal or ()
    if "+" in journal:
        yield "finds the row", _with(world, at, worker._replace(phase="finish"))
    elif journal.count(">") > journal.count("<"):
        lost = Epoch((*journal, "+"), (*files.shard, "unknown"))
        yield "writes the row as unknown", _put(_with(world, at, worker._replace(phase="finish")), worker.epoch, lost)
    elif worker.until > 0 or not rules.looks_again:
        phase = "look" if rules.looks_again else "write"
        noted = files._replace(journal=(*journal, ">"))
        yield "notes the request", _put(_with(world, at, worker._replace(phase=phase)), worker.epoch, noted)


def _look(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    files = world.epochs[worker.epoch - 1]
    if worker.until > 0 and rules.window:
        yield "looks again", _with(world, at, worker._replace(phase="write"))
    elif worker.until > 0:
        yield from _write(world, at, worker, rules)
    else:
        released = files._replace(journal=(*(files.journal or ()), "<"))
        yield "doesn't send it", _put(_with(world, at, Worker(life=-1)), worker.epoch, released)


def _write(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    yield "SENDS THE REQUEST", _with(world, at, worker._replace(phase="row"))._replace(sent=world.sent + 1)


def _journal(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    files = world.epochs[worker.epoch - 1]
    written = files._replace(journal=(*(files.journal or ()), "+"))
    yield "writes the line of the row", _put(_with(world, at, worker._replace(phase="finish")), worker.epoch, written)


def _row(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    files = world.epochs[worker.epoch - 1]
    written = files._replace(shard=(*files.shard, "ok"))
    yield "writes the row", _put(_with(world, at, worker._replace(phase="journal")), worker.epoch, written)


def _finish(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    if worker.call is None and worker.until > 0:
        ask = Call("keep", _token(at, worker), worker.epoch, 0)
        yield "asks whether it may finish", _with(world, at, worker._replace(phase="confirm", call=ask))


def _confirm(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    if worker.call is None:
        yield "asks again", _with(world, at, worker._replace(phase="finish"))


def _link(world: World, at: int, worker: Worker, rules: Rules) -> Iterator[tuple[str, World]]:
    ended = _with(world, at, worker._replace(phase="ended", call=None))
    yield "makes the chunk done", ended._replace(done=world.done or worker.epoch)


_PHASES: dict[str, Callable[[World, int, Worker, Rules], Iterator[tuple[str, World]]]] = {
    "begin": _begin, "copy": _copy, "copied": _copied, "open": _open, "send": _send, "look": _look, "write": _write,
    "journal": _journal, "row": _row, "finish": _finish, "confirm": _confirm, "link": _link,
}  # fmt: skip


def trouble(world: World) -> str:
    """Say what is wrong, or ""."""
    if world.sent > 1:
        return "the request was sent twice"
    if not world.done:
        return ""
    shard = world.epochs[world.done - 1].shard
    if len(shard) != 1:
        return f"the shard has {len(shard)} rows"
    return "the row is ok, and nothing was sent" if shard[0] == "ok" and not world.sent else ""


def search(
    rules: Rules, *, kills: int = 0, restarts: int = 0, slow: int = 0, epochs: int = 2, most: int = 10_000_000
) -> tuple[int, str, list[str]]:
    """Look at every world that can come about.

    Returns:
        How many there are, what is wrong with the first bad one (or ""), and the steps that lead there.
    """
    start = World(Redis(known=0), (Worker(), Worker()))
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    line = [start]
    for world in line:
        if (what := trouble(world)) or len(came_from) > most:
            path: list[str] = []
            at: World | None = world
            while at is not None and (before := came_from[at]) is not None:
                at, step = before
                path.append(step)
            return len(came_from), what or "too many worlds", path[::-1]
        if max(world.redis.record.epoch, *(worker.epoch for worker in world.workers)) > epochs:
            continue
        for step, after in steps(world, rules, kills, restarts, slow):
            if after not in came_from:
                came_from[after] = (world, step)
                line.append(after)
    return len(came_from), "", []
