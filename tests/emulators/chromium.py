"""A real Chromium, driven over the Chrome DevTools Protocol as a person would drive it.

Elements are found by role and accessible name, as a screen reader finds them; the mouse and the
keyboard are the browser's own input events. Nothing sleeps: every wait ends with its condition.
Protocol: https://chromedevtools.github.io/devtools-protocol/.
"""

import asyncio
import base64
import contextlib
import ipaddress
import itertools
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from flatrender.testing.waiting import until

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-extensions",
    "--disable-breakpad",
    # No process in stock for a tab that nobody opens.
    "--disable-features=SpareRendererForSitePerProcess",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--no-proxy-server",
)
#: What the keys of tests mean to a page: key, code, virtual key code, text.
_KEYS = {"Tab": ("Tab", 9, ""), "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, "")}


def find_browser() -> str | None:
    """Return the browser that ``FLATRENDER_TEST_BROWSER`` names, else one on PATH, else None."""
    named = os.environ.get("FLATRENDER_TEST_BROWSER")
    for name in (named,) if named else _NAMES:
        if found := shutil.which(name):
            return found
    return None


class PageError(AssertionError):
    """A script in the page failed, or the protocol refused a command."""


class Chromium:
    """One browser process and the line to it. Use :func:`chromium`."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._profiles: list[str] = []

    async def listen(self) -> None:
        """Hand answers to who waits for them and events to their pages, until the line ends."""
        async for text in self._line:
            told = json.loads(text)
            if "id" in told:
                waiting = self._waiting.pop(told["id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(told)
            elif (page := self._pages.get(told.get("sessionId", ""))) is not None:
                page.note(told["method"], told["params"])

    async def send(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and return its result. Raises :class:`PageError`."""
        number = next(self._ids)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        await self._line.send(json.dumps(command))
        answer = await asyncio.wait_for(waiting, 60)
        if "error" in answer:
            raise PageError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def page(self, *, width: int = 900, height: int = 900) -> "Page":
        """Open an empty page in a profile of its own: no cookie and no storage of another, and
        calls from an address of its own, as a proxy tells it (limits by address are then not met).
        """
        profile = (await self.send("Target.createBrowserContext"))["browserContextId"]
        self._profiles.append(profile)
        target = await self.send("Target.createTarget", url="about:blank", browserContextId=profile)
        attached = await self.send(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        made = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Accessibility", "DOM", "Network"):
            await made.send(f"{domain}.enable")
        address = str(ipaddress.IPv4Address(secrets.randbits(24) | 10 << 24))
        await made.send("Network.setExtraHTTPHeaders", headers={"X-Forwarded-For": address})
        await made.size(width, height)
        return made

    async def close_pages(self) -> None:
        """Close every page and forget its profile: each has a process of its own."""
        while self._profiles:
            profile = self._profiles.pop()
            await self.send("Target.disposeBrowserContext", browserContextId=profile)
        self._pages.clear()


class Page:
    """One tab. ``faults`` are what its console told of errors: scripts, policy, failed loads."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        self.faults: list[str] = []

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command to this tab."""
        return await self._browser.send(method, self._session, **params)

    def note(self, method: str, params: dict[str, Any]) -> None:
        """Remember what the console shows as an error."""
        if method == "Runtime.exceptionThrown":
            self.faults.append(str(params["exceptionDetails"])[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.faults.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")

    async def size(self, width: int, height: int) -> None:
        """Make the window that large, in CSS pixels."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def open(self, url: str) -> None:
        """Go to an address, as by typing it."""
        await self.send("Page.navigate", url=url)

    async def run(self, expression: str) -> Any:
        """Return what a JavaScript expression (or the promise that it makes) comes to."""
        told = await self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in told:
            raise PageError(f"{expression}: {told['exceptionDetails']}")
        return told["result"].get("value")

    async def until(self, expression: str, *, within: float = 60.0) -> Any:
        """Return the first truthy value of an expression; pages may come and go meanwhile."""

        async def look() -> Any:
            with contextlib.suppress(PageError):
                return await self.run(expression)

        try:
            return await until(look, within=within)
        except AssertionError as error:
            raise AssertionError(f"{expression}: {await self._standing()}") from error

    async def find(self, role: str, name: str, *, within: float = 60.0) -> int:
        """Return the node with a role and accessible name, once it can be seen and pressed."""

        async def look() -> int | None:
            with contextlib.suppress(PageError):
                root = (await self.send("DOM.getDocument", depth=0))["root"]["nodeId"]
                found = await self.send(
                    "Accessibility.queryAXTree", nodeId=root, role=role, accessibleName=name
                )
                for node in found["nodes"]:
                    if not node.get("ignored") and node.get("backendDOMNodeId"):
                        number: int = node["backendDOMNodeId"]
                        await self._middle(number)  # raises while it has no place on the screen
                        return number
            return None

        try:
            return await until(look, within=within)
        except AssertionError as error:
            raise AssertionError(f"no {role} {name!r}: {await self._standing()}") from error

    async def press(self, role: str, name: str) -> None:
        """Press something with the mouse; again, where the page moved it away meanwhile."""

        async def act() -> bool:
            with contextlib.suppress(PageError):  # drawn anew in between: look again
                node = await self.find(role, name)
                thing = (await self.send("DOM.resolveNode", backendNodeId=node))["object"]
                await self._ask(
                    thing["objectId"],
                    "function () { this.addEventListener('click', () => { this.heard = true; }); }",
                )
                place = await self._middle(node)
                for kind in ("mousePressed", "mouseReleased"):
                    await self.send(
                        "Input.dispatchMouseEvent", type=kind, **place, button="left", clickCount=1
                    )
                try:
                    heard = await self._ask(thing["objectId"], "function () { return this.heard; }")
                except PageError:  # the page is gone: the press led away from it
                    return True
                return bool(heard)
            return False

        await until(act)

    async def fill(self, name: str, text: str, *, role: str = "textbox") -> None:
        """Type a text into the field with a label, in place of what is there."""
        node = await self.find(role, name)
        await self.send("DOM.focus", backendNodeId=node)
        await self.run("document.activeElement.select()")
        await self.send("Input.insertText", text=text)

    async def key(self, name: str) -> None:
        """Press a key."""
        code, number, text = _KEYS[name]
        common = {"key": code, "code": code, "windowsVirtualKeyCode": number}
        await self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    async def focused(self) -> str:
        """Return the words of what has the keyboard: its label, else its text."""
        words: str = await self.run(
            "((e) => (e.labels && e.labels[0] || e).textContent.trim())(document.activeElement)"
        )
        return words

    async def sees(self, text: str, *, within: float = 60.0) -> None:
        """Wait until a text can be read on the page."""
        await self.until(f"document.body.innerText.includes({json.dumps(text)})", within=within)

    async def screenshot(self, path: Path) -> None:
        """Write what is seen, from top to bottom, as PNG."""
        seen = (await self.send("Page.getLayoutMetrics"))["cssLayoutViewport"]
        width, height = seen["clientWidth"], seen["clientHeight"]
        await self.size(width, await self.run("document.documentElement.scrollHeight"))
        shot = await self.send("Page.captureScreenshot")
        await self.size(width, height)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def authenticator(self) -> str:
        """Plug in a virtual authenticator with a fingerprint that always fits; returns its id."""
        await self.send("WebAuthn.enable")
        made = await self.send(
            "WebAuthn.addVirtualAuthenticator",
            options={
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            },
        )
        number: str = made["authenticatorId"]
        return number

    async def _ask(self, thing: str, function: str) -> Any:
        told = await self.send(
            "Runtime.callFunctionOn",
            objectId=thing,
            functionDeclaration=function,
            returnByValue=True,
        )
        return told["result"].get("value")

    async def _middle(self, node: int) -> dict[str, float]:
        await self.send("DOM.scrollIntoViewIfNeeded", backendNodeId=node)
        quad = (await self.send("DOM.getContentQuads", backendNodeId=node))["quads"][0]
        return {"x": sum(quad[0::2]) / 4, "y": sum(quad[1::2]) / 4}

    async def _standing(self) -> str:
        where = await self.run("location.href + '\\n' + document.body.innerText")
        return f"{where}\n{self.faults}"


@contextlib.asynccontextmanager
async def chromium(program: str) -> AsyncIterator[Chromium]:
    """Start a browser with an empty profile; it is ended and its profile removed at the end."""
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        flags = [*_FLAGS, f"--user-data-dir={profile}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium refuses its sandbox to root
        process = await asyncio.create_subprocess_exec(
            program,
            *flags,
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            told = Path(profile) / "DevToolsActivePort"

            async def listening() -> list[str] | None:
                if process.returncode is not None:
                    raise AssertionError(f"{program} ended with {process.returncode}")
                lines = told.read_text().split() if told.exists() else []
                return lines if len(lines) == 2 else None

            port, path = await until(listening)
            async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as line:
                browser = Chromium(line)
                listener = asyncio.create_task(browser.listen())
                try:
                    yield browser
                    with contextlib.suppress(Exception):
                        await browser.send("Browser.close")
                finally:
                    listener.cancel()
                    await asyncio.gather(listener, return_exceptions=True)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            await process.wait()
