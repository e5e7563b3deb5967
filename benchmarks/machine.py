"""This machine: its description, its cores, and child processes that never outlive the benchmark.

Servers run on the first core, clients on the last one, so that neither takes time from the other. Every child is
told by the kernel to die with its parent (Linux), and is ended when its `with` block is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

_PR_SET_PDEATHSIG = 1
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER_CORE = _CORES[0] if len(_CORES) > 1 else None
CLIENT_CORE = _CORES[-1] if len(_CORES) > 1 else None
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def describe() -> dict[str, object]:
    """What a reader needs to judge the figures."""
    return {
        "cpu": _cpu_model(),
        "cores": len(_CORES) or os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": _system(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "pinned": f"server on core {SERVER_CORE}, client on core {CLIENT_CORE}" if SERVER_CORE is not None else "no",
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    with contextlib.suppress(OSError, KeyError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return platform.system()


def _before_exec(core: int | None):
    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if core is not None:
            os.sched_setaffinity(0, {core})

    return prepare


def environment() -> dict[str, str]:
    """Ours without proxies: the servers are on loopback, and not every peer reads the same variables."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@contextlib.contextmanager
def running(command: Sequence[str], *, core: int | None, **options) -> Iterator[subprocess.Popen[str]]:
    """The command as a child process; ended, hard if need be, when the block is left."""
    child = subprocess.Popen(
        [str(part) for part in command],
        text=True,
        env=environment(),
        stdin=subprocess.DEVNULL,
        preexec_fn=_before_exec(core),  # noqa: PLW1509 - this process has no threads
        **options,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                stream.close()


def output_of(command: Sequence[str], *, timeout: float) -> str:
    """What the command prints, run on the client's core.

    Raises:
        RuntimeError: It failed or took longer than `timeout` seconds; the message is its last line.
    """
    with running(command, core=CLIENT_CORE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            out, err = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"no result within {timeout:g} s") from None
    if child.returncode:
        last = (err.strip() or out.strip() or f"exit code {child.returncode}").splitlines()[-1]
        raise RuntimeError(last.strip().replace(f"{ROOT}/", ""))
    return out
