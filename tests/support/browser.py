"""A headless Chromium that shows a page as a screen or a phone would, light or dark (Chrome DevTools Protocol)."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_STARTS_WITHIN = 60.0  # seconds

# What is wider than the page, what wraps, and which labels of an axis overlap.
_LOOK = """(() => {
  const width = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
  const clipped = each => {
    for (let up = each; up; up = up.parentElement) if (getComputedStyle(up).overflowX !== 'visible') return true;
    return false;
  };
  for (const each of document.querySelectorAll('main *')) {
    const name = `${each.tagName} ${each.textContent.slice(0, 30)}`;
    if (each.getBoundingClientRect().right > width + 1 && !each.closest('svg') && !clipped(each)) found.push(`wide: ${name}`);
    if (['TD', 'TH', 'H1', 'H2', 'H3', 'B', 'SPAN'].includes(each.tagName) && !each.children.length) {
      const range = document.createRange();
      range.selectNodeContents(each);
      if (new Set([...range.getClientRects()].map(line => Math.round(line.top))).size > 1) found.push(`wraps: ${name}`);
    }
  }
  for (const axis of document.querySelectorAll('.acrosses')) {
    const labels = [...axis.children].map(label => label.getBoundingClientRect());
    for (let at = 1; at < labels.length; at++) if (labels[at].left < labels[at - 1].right) found.push('labels overlap');
  }
  const style = getComputedStyle(document.body);
  return JSON.stringify({found, width, background: style.backgroundColor, text: style.color});
})()"""


class Browser:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._count = 0

    async def look(self, page: Path, *, width: int, phone: bool = False, dark: bool = False) -> dict[str, Any]:
        """Open a page, and say what of it does not fit, and in which colours it is."""
        await self._call("Page.enable")
        scale = 2 if phone else 1
        await self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=scale, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self._call("Emulation.setEmulatedMedia", features=[scheme])
        await self._call("Page.navigate", url=page.as_uri())
        wanted = f"document.readyState === 'complete' && location.href === {page.as_uri()!r}"
        while not (await self._evaluated(wanted)):
            await asyncio.sleep(0.02)
        seen: dict[str, Any] = json.loads(await self._evaluated(_LOOK))
        return seen

    async def _evaluated(self, expression: str) -> Any:
        return (await self._call("Runtime.evaluate", expression=expression))["result"]["value"]

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        await self._socket.send_json({"id": self._count, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == self._count:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Browser]:
    """Start Chromium with a profile in `folder`; the test is skipped where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    process = subprocess.Popen(
        [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_STARTS_WITHIN):
            port = await _port(folder / "DevToolsActivePort")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/json") as response:
                (tab,) = [tab for tab in await response.json() if tab["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Browser(socket)
    finally:
        process.terminate()
        process.wait()


async def _port(path: Path) -> int:
    while True:
        with suppress(OSError, IndexError, ValueError):
            return int(path.read_text().splitlines()[0])
        await asyncio.sleep(0.05)
