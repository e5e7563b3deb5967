"""Run a job from the command line: event loop, Ctrl-C, screen, exit code.

Three cases of Ctrl-C (or SIGTERM):
1. After the first, the job stops as `Engine.interrupt` says, and the process exits with 130 within two seconds.
2. After a second one, the process exits at once.
3. If something hangs after the first (a name lookup, a full pipe), the process exits after 1.9 seconds.
Exiting at once is safe at any point, because of the journal.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from asyncapi.bulk import Engine, Job, Summary
from asyncapi.cli.screen import make_screen
from asyncapi.errors import AsyncAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncapi.bulk.fleet.coordinator import Coordinator
    from asyncapi.cli.screen import Screen

_INTERRUPTED = 130
_LAST_MOMENT = 1.9  # seconds after the first Ctrl-C
_OTHER_FILES = 100
_COLLECT_AFTER = 10_000  # new objects; Python's own is 700 to 2,000


def run_job(settings: dict[str, Any], *, dry_run: bool, quiet: bool, folder: str = "") -> int:
    """Run the job that the options describe, and return the exit code; `folder` is that of its job file."""
    sys.path[:0] = ["", folder] if folder else [""]  # so that --model finds the user's module
    try:
        job = Job(**settings)
        if dry_run:
            from asyncapi.cli.dry_run import show

            show(job)
            return 0
        return _fetch(job, quiet=quiet)
    except AsyncAPIError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _fetch(job: Job, *, quiet: bool) -> int:
    _allow_files(job.concurrency + _OTHER_FILES)
    _collect_rarely()
    screen = make_screen(job, quiet=quiet)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner, screen, _stopping(screen) as arm:

        async def main() -> Summary:
            engine = _engine(job, screen)
            arm(asyncio.get_running_loop(), engine)
            return await engine.run()

        summary = runner.run(main())
        screen.end(summary)
    return summary.exit_code


def _engine(job: Job, screen: Screen) -> Engine | Coordinator:
    if job.on is None:
        return Engine(job, progress=screen.update)
    from asyncapi.bulk.cluster import coordinator

    return coordinator(job, progress=screen.update)


def _allow_files(count: int) -> None:
    """Raise the process's limit of open files as far as the system allows: every connection is one."""
    try:
        import resource
    except ImportError:  # Windows has no such module
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard)
        )


def _collect_rarely() -> None:
    """Leave what has been imported out of garbage collections, and make those of new objects rarer.

    This process does nothing but the job. A row leaves no cycles where it succeeds, and each collection would walk the
    requests that are in flight: about 10 us a row at 500 of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def _stopping(screen: Screen) -> Iterator[Callable[[asyncio.AbstractEventLoop, Engine | Coordinator], None]]:
    """Turn signals into a stop of the engine that is armed."""
    armed: list[tuple[asyncio.AbstractEventLoop, Engine | Coordinator]] = []
    last: list[threading.Timer] = []

    def exit_now() -> NoReturn:
        screen.restore()
        os._exit(_INTERRUPTED)

    def stop(_number: int, _frame: object) -> None:
        if last or not armed:
            exit_now()  # case 2
        last.append(threading.Timer(_LAST_MOMENT, exit_now))  # case 3
        last[0].daemon = True
        last[0].start()
        loop, engine = armed[0]
        loop.call_soon_threadsafe(engine.interrupt)  # case 1

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda loop, engine: armed.append((loop, engine))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for timer in last:
            timer.cancel()
