"""A real browser without a window, driven through its debugging protocol."""

import base64
import itertools
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
import websocket

from tests.processes import wait_for

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
"""The browser's program; None if there is none."""

_SECONDS = 60


class Browser:
    """One tab."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=_SECONDS)
        self._numbers = itertools.count(1)
        self._events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol, and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                if message.get("error", {}).get("message", "").startswith("Inspected target navigated"):
                    raise ConnectionAbortedError(message["error"]["message"])
                assert "error" not in message, message
                return message["result"]
            self._events.append(message)

    def js(self, code: str) -> Any:
        """The value of an expression on the page; promises are awaited."""
        found = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, code: str) -> Any:
        """Wait until an expression holds, also on the page that the tab goes to meanwhile, and return its value."""

        def value() -> Any:
            with suppress(ConnectionAbortedError):
                return self.js(code)

        said = "document.body.innerText"
        return wait_for(value, reported=lambda: f"{code}\n{self.faults()}\n{self.js(said)}", seconds=_SECONDS)

    def open(self, address: str, *, width: int = 1280, dark: bool = False) -> None:
        """Open a page, and wait until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        # The page before may still ask its server, which has ended: that is no fault of the next one.
        for each in ("about:blank", address):
            self._events.clear()
            self.call("Page.navigate", url=each)
            while not any(event["method"] == "Page.loadEventFired" for event in self._events):
                self._events.append(json.loads(self._socket.recv()))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the mouse, in pixels of the window."""
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def faults(self) -> list[str]:
        """What went wrong since the page was opened: exceptions, violations of its policy, failed requests."""
        found = []
        for event in self._events:
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(event["params"]["exceptionDetails"]))
            if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(str(event["params"]["entry"]["text"]))
        return found

    def requested(self) -> list[str]:
        """The addresses that were requested since the page was opened."""
        sent = (event for event in self._events if event["method"] == "Network.requestWillBeSent")
        return [str(event["params"]["request"]["url"]) for event in sent]

    def picture(self, path: Path) -> None:
        """Write what the window shows as a PNG file."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with one tab, as long as the context is open."""
    assert BROWSER is not None
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}",
        "--remote-debugging-port=0", "--remote-allow-origins=*", "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen([BROWSER, *flags], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    printed = []
    try:
        for line in process.stderr:
            printed.append(line)
            if found := re.search(r"ws://[^/]*:(\d+)/", line):
                break
        else:
            raise AssertionError("".join(printed))
        # Nothing reads the output from here on, and a full pipe would stop the browser.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        tabs = requests.get(f"http://127.0.0.1:{found[1]}/json/list", timeout=_SECONDS).json()
        yield Browser(next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"])
    finally:
        process.terminate()
        process.wait()
