"""Two tiny contexts for tests of the kernel: one writes notes, one reads about them.

`LAB_SQL` makes their schemas; `script` holds what their handlers are told to do and what they
did. Module-level on purpose: entry points and worker processes load these classes by name.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.db import UnitOfWork
from flatrender.events.envelope import Event
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import FlatRenderPlugin, Manifest, PluginContext
from flatrender.runtime import Runtime
from flatrender.settings import Settings
from flatrender.tasks.service import WorkerService
from flatrender.tasks.task import RetryLater, Task
from flatrender.testing.logs import plain_logs

LAB_SQL = """
SELECT public.flatrender_setup_context('lab', 'lab');
CREATE TABLE IF NOT EXISTS lab.notes (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  text text NOT NULL,
  twin uuid,
  CONSTRAINT notes_twin FOREIGN KEY (twin) REFERENCES lab.notes (id) DEFERRABLE INITIALLY DEFERRED
);
SELECT public.flatrender_tenant_table('lab.notes');
SELECT public.flatrender_setup_context('lab_reader', 'lab_reader');
CREATE TABLE IF NOT EXISTS lab_reader.readings (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  note_id uuid NOT NULL,
  text text NOT NULL
);
SELECT public.flatrender_tenant_table('lab_reader.readings');
"""


class NoteWritten(Event, frozen=True, kw_only=True):
    """A note was written."""

    event_type: ClassVar[str] = "lab.note.written.v1"
    producer: ClassVar[str] = "lab"
    note_id: UUID
    text: str


class Script:
    """What the handlers do, and a record of it.

    ``failures`` counts down by text: a handler fails while it is above zero (-1: always).
    ``calls`` names every call in order. A text in ``gates`` waits for its event.
    """

    def __init__(self) -> None:
        self.failures: dict[str, int] = {}
        self.later: dict[str, RetryLater] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.calls: list[str] = []

    async def play(self, text: str) -> None:
        """Do what is told for ``text``."""
        self.calls.append(text)
        if gate := self.gates.get(text):
            await gate.wait()
        if request := self.later.get(text):
            raise request
        left = self.failures.get(text, 0)
        if left:
            self.failures[text] = left - 1 if left > 0 else left
            raise RuntimeError(f"told to fail: {text}")


script = Script()


class Work(Struct, frozen=True, kw_only=True):
    """A piece of lab work: writes a note of this text."""

    text: str
    tenant_id: UUID


async def do_work(context: PluginContext, order: Work) -> None:
    """Play the script, then write the note."""
    await script.play(order.text)
    async with context.db.unit_of_work(order.tenant_id) as work:
        await write_note(work, order.text)


async def do_hang(context: PluginContext, order: Work) -> None:
    """Leave a note that work began; where this process is told to, never come back."""
    async with context.db.unit_of_work(order.tenant_id) as work:
        await write_note(work, f"{order.text} began in {os.getpid()}")
    if os.environ.get("LAB_HANG"):
        await asyncio.Event().wait()


async def read_note(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """Write down what was read; fails after its own write, so that a rollback shows."""
    event: NoteWritten = told.event
    await work.execute(
        "INSERT INTO lab_reader.readings (id, tenant_id, note_id, text) "
        "VALUES (:id, :tenant, :note, :text)",
        id=uuid7(),
        tenant=work.tenant,
        note=event.note_id,
        text=event.text,
    )
    await script.play(event.text)


WORK = Task(
    name="lab.work", queue="default", handler=do_work, payload=Work, max_attempts=3, backoff=0.2
)
ALONE = Task(name="lab.alone", queue="default", handler=do_work, payload=Work, alone=True)
HANG = Task(name="lab.hang", queue="default", handler=do_hang, payload=Work, timeout=30.0)


class LabPlugin(FlatRenderPlugin):
    """Writes notes."""

    manifest: ClassVar[Manifest] = Manifest(
        name="lab", schema="lab", summary="Notes.", tasks=(WORK, ALONE, HANG), emits=(NoteWritten,)
    )


class ReaderPlugin(FlatRenderPlugin):
    """Reads notes."""

    manifest: ClassVar[Manifest] = Manifest(
        name="lab_reader",
        schema="lab_reader",
        summary="Readings of notes.",
        subscriptions=(Subscription(event=NoteWritten, handler=read_note, max_attempts=3),),
    )


PLUGINS: dict[str, type[FlatRenderPlugin]] = {"lab": LabPlugin, "lab_reader": ReaderPlugin}


async def write_note(
    work: Any, text: str, *, note_id: UUID | None = None, twin: UUID | None = None
) -> UUID:
    """Write a note inside ``work``; returns its id."""
    identifier = note_id or uuid7()
    await work.execute(
        "INSERT INTO lab.notes (id, tenant_id, text, twin) VALUES (:id, :tenant, :text, :twin)",
        id=identifier,
        tenant=work.tenant,
        text=text,
        twin=twin,
    )
    return identifier


class Lab:
    """A running lab: its runtime, and a worker where one was asked for."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.notes = runtime.plugins["lab"].context
        self.reader = runtime.plugins["lab_reader"].context

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[WorkerService]:
        """Run a worker (relay included) while the block lasts."""
        service = WorkerService(self.runtime)
        running = asyncio.create_task(service.run(handle_signals=False))
        try:
            yield service
        finally:
            service.stop()
            await asyncio.wait_for(running, timeout=30)

    async def tell(self, tenant_id: UUID, text: str) -> UUID:
        """Write a note and tell of it; returns the event's id."""
        async with self.notes.db.unit_of_work(tenant_id) as work:
            note_id = await write_note(work, text)
            return work.emit(NoteWritten(note_id=note_id, text=text))


@asynccontextmanager
async def open_lab(settings: Settings) -> AsyncIterator[Lab]:
    """Start both lab contexts on the servers of ``settings``."""
    plain_logs()
    async with Runtime(settings, plugins=PLUGINS) as runtime:
        yield Lab(runtime)
