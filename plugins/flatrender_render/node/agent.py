"""The life of a node outside: say hello, pulse, take work, carry out what the farm asks.

Each slot asks for work by long poll. When the farm is away, whatever runs goes on until its lease
must be over and is then dropped: somebody else has it by then. The node waits, longer each time,
and goes on by itself when the line is back.
"""

import asyncio
import contextlib
import os
import platform
import random
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from flatrender import __version__
from flatrender.clock import uuid7
from flatrender_render.engines import available_engines, available_scanners
from flatrender_render.farm import wire
from flatrender_render.farm.fence import give_back
from flatrender_render.farm.install import faces_here, install_font
from flatrender_render.farm.performer import Performer
from flatrender_render.farm.remote import FarmAway, FarmClient, FarmRefused, HttpFiles, HttpLink
from flatrender_render.farm.remote_renditions import HttpRenditionLink
from flatrender_render.farm.remote_scans import HttpScanLink
from flatrender_render.farm.renditions import do_rendition
from flatrender_render.farm.scans import do_scan
from flatrender_render.farm.selftest import prove_machine
from flatrender_render.farm.together import Together
from flatrender_render.node.settings import NodeSettings

log = structlog.get_logger(__name__)

LONGEST_WAIT = 30.0  # seconds between attempts to reach the farm

Act = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class NodeAgent:
    """One run of a node. ``run`` returns when it was told to stop."""

    def __init__(self, settings: NodeSettings, client: FarmClient | None = None) -> None:
        self._settings = settings
        self._client = client or FarmClient(settings.url, settings.node_id, settings.secret)
        self._client.bandwidth.limit = settings.bandwidth
        self.performer = Performer(settings.folder, settings.places)
        self._stopping = asyncio.Event()
        self._draining = False
        self._boot = uuid7()
        self._heartbeat = 5.0
        self.restart = False
        self._orders: asyncio.Queue[wire.Command] = asyncio.Queue()
        self._ordered: set[UUID] = set()
        self._acts: dict[str, Act] = {
            "drain": self._drain,
            "quarantine": self._drain,
            "release": self._release,
            "restart": self._restart,
            "clean_disk": self._clean_disk,
            "test_render": self._test_render,
            "close_ae": self._close_ae,
            "install_font": self._install_font,
        }

    def stop(self) -> None:
        """Finish nothing more: running work goes back to the farm."""
        self.performer.wind_down()
        self._stopping.set()

    async def run(self) -> None:
        """Work until told to stop. Raises ``FarmRefused`` when the farm does not know us."""
        try:
            if not await self._joined():
                return
            tasks = [
                asyncio.create_task(self._pulse(), name="pulse"),
                asyncio.create_task(self._obey(), name="acts"),
            ]
            link = HttpLink(self._client, wait=self._settings.wait)
            slots = Together(partial(link.claim_many, self.names), partial(give_back, link))
            tasks += [
                asyncio.create_task(self._serve(slots.ask, partial(self.performer.do, link)))
                for _ in range(self._settings.places)
            ]
            tasks += [
                asyncio.create_task(self._scans(engine), name=f"scans-{engine}")
                for engine in available_scanners()
                if engine in self.names
            ]
            tasks.append(asyncio.create_task(self._renditions(), name="renditions"))
            stopped = asyncio.create_task(self._stopping.wait(), name="stop")
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in [*tasks, stopped]:
                task.cancel()
            await slots.close()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
            for task in done - {stopped}:
                task.result()  # a slot ends by an error only: let it be seen
        finally:
            with contextlib.suppress(FarmAway, FarmRefused):
                await self._client.call(f"{wire.API}/bye", None, dict)
            await self.performer.close()
            await self._client.close()

    @property
    def names(self) -> list[str]:
        """The engines that this node offers."""
        installed = available_engines()
        return [name for name in installed if name in (self._settings.engines or installed)]

    async def _joined(self) -> bool:
        """Say hello until the farm answers. False: told to stop before it did."""
        hello = asyncio.create_task(self._hello(), name="hello")
        stopped = asyncio.create_task(self._stopping.wait(), name="stop")
        try:
            await asyncio.wait([hello, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not hello.done():
                return False
            hello.result()
            return True
        finally:
            for task in (hello, stopped):
                task.cancel()
            await asyncio.gather(hello, stopped, return_exceptions=True)

    async def _hello(self) -> None:
        disk = await asyncio.to_thread(self._disk)
        installed = available_engines()
        hello = wire.Hello(
            boot_id=self._boot,
            agent_version=__version__,
            hostname=socket.gethostname()[:200],
            os=platform.system(),
            arch=platform.machine(),
            cpu_cores=os.cpu_count() or 1,
            memory_bytes=_memory(),
            disk_total_bytes=disk.total,
            disk_free_bytes=disk.free,
            slots=self._settings.places,
            engines={name: installed[name].version for name in self.names},
            region=self._settings.region,
            packages=await self.performer.cache.packages(),
            faces=await faces_here(self.names),
        )
        welcome = await self._patiently(
            lambda: self._client.call(f"{wire.API}/hello", hello, wire.Welcome)
        )
        if welcome is None:
            return
        self._heartbeat = welcome.heartbeat_seconds
        if self._settings.bandwidth is None:
            self._client.bandwidth.limit = welcome.bandwidth_limit_bps
        self.performer.cache.budget = welcome.cache_budget_bytes
        log.info("node_joined", name=welcome.name, engines=self.names, slots=self._settings.places)

    async def _scans(self, engine: str) -> None:
        """Read designers' projects, one at a time, beside the slots' frame jobs."""
        link = HttpScanLink(self._client, wait=self._settings.wait)
        await self._unless_older(
            self._serve(
                lambda: link.claim(engine),
                lambda claim: do_scan(self.performer, link, claim, engine),
            )
        )

    async def _renditions(self) -> None:
        """Make further formats of finished videos, one at a time, beside the slots' frame jobs."""
        link = HttpRenditionLink(self._client, wait=self._settings.wait)
        await self._unless_older(
            self._serve(link.claim, lambda claim: do_rendition(self.performer, link, claim))
        )

    async def _unless_older(self, serving: Awaitable[None]) -> None:
        """Do work of a kind that a farm which is older than this node does not hand out."""
        try:
            await serving
        except FarmRefused as error:
            if error.status != 404:
                raise
            log.warning("farm_is_older", error=str(error))
            await self._stopping.wait()

    async def _serve(
        self, ask: Callable[[], Awaitable[Any]], do: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Ask for work and do it until told to stop."""
        while not self._stopping.is_set():
            if self._draining:
                await asyncio.sleep(self._heartbeat)
                continue
            claim = await self._patiently(ask)
            if claim is None:
                continue
            try:
                await do(claim)
            except (FarmAway, FarmRefused) as error:
                # The farm cannot be told; when the lease is over, another node has the work.
                log.warning("report_lost", error=str(error))

    async def _pulse(self) -> None:
        while True:
            await self.performer.cache.until_changed(self._heartbeat)
            disk = await asyncio.to_thread(self._disk)
            packages = await self.performer.cache.news()
            pulse = wire.Pulse(
                busy_slots=self.performer.busy,
                disk_free_bytes=disk.free,
                disk_total_bytes=disk.total,
                load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
                draining=self._draining,
                packages=packages,
            )
            try:
                answer = await self._client.call(f"{wire.API}/pulse", pulse, wire.PulseAnswer)
            except (FarmAway, FarmRefused) as error:
                log.warning("pulse_lost", error=str(error))
                if packages is not None:
                    self.performer.cache.unheard()
                continue
            for command in answer.commands if answer else []:
                # Told again after a minute without an answer, which an act may well take.
                if command.id not in self._ordered:
                    self._ordered.add(command.id)
                    self._orders.put_nowait(command)

    async def _obey(self) -> None:
        """Carry out what the farm asks, in its order and beside the pulses: it may take a while."""
        while True:
            command = await self._orders.get()
            await self._carry_out(command)
            self._ordered.discard(command.id)

    async def _carry_out(self, command: wire.Command) -> None:
        act = self._acts.get(command.act)
        try:
            if act is None:
                raise LookupError(f"this node knows no act {command.act!r}")
            result = wire.CommandResult(done=True, result=await act(command.arguments))
        except Exception as error:  # noqa: BLE001 - the operator reads what went wrong
            result = wire.CommandResult(done=False, result={"error": str(error)})
        log.info("act", act=command.act, done=result.done)
        with contextlib.suppress(FarmAway, FarmRefused):
            await self._client.insist(f"{wire.API}/commands/{command.id}", result, dict)
        if self.restart:
            self.stop()

    async def _drain(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Take no more work; what runs is finished."""
        self._draining = True
        return {"busy_slots": self.performer.busy}

    async def _release(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Take work again."""
        self._draining = False
        return {}

    async def _restart(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Give running work back and start anew: the service manager does it by our exit code."""
        self.restart = True
        return {}

    async def _clean_disk(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Remove every copy that nothing uses now."""
        return {"freed_bytes": await self.performer.cache.clean()}

    async def _test_render(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Draw and prove the built-in composition; passing lifts a quarantine of the farm's."""
        return await prove_machine(self.performer.pool, self._settings.folder / "tests")

    async def _close_ae(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """End every After Effects that this node started."""
        return await self.performer.close_after_effects()

    async def _install_font(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Install a font of the farm's for After Effects."""
        return await install_font(arguments, HttpFiles(self._client, f"{wire.API}/fonts/"))

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Repeat a call until the farm answers it."""
        wait = 0.5
        while True:
            try:
                return await call()
            except FarmAway as error:
                log.warning("farm_away", error=str(error), retry_in=round(wait, 1))
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the nodes
            wait = min(wait * 2, LONGEST_WAIT)

    def _disk(self) -> Any:
        self._settings.folder.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self._settings.folder)


def _memory() -> int:
    if sys.platform == "win32":
        return 0
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
