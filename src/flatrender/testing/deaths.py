"""Deaths of a process between any two statements it sends to PostgreSQL.

Inside :func:`mortal`, the ``after``-th statement of this task (and of what it starts) is the last
that arrives; BEGIN and COMMIT are statements too. From then on the process is dead as far as the
database can tell: every connection it touches is gone, so the open transaction rolls back, and
nothing that would tidy up (compensations, releases, answers kept) gets through. Other tasks of
the same interpreter live on. ``kill`` makes it a real death of the whole process.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

from asyncpg.connection import Connection
from asyncpg.prepared_stmt import PreparedStatement


class Died(BaseException):
    """The process ended here. No ``Exception``: the dead handle nothing."""


class Mortal:
    """Whose statements are counted. ``arrived`` has those the server has answered, in order."""

    def __init__(self, after: int | None, *, kill: bool) -> None:
        self.arrived: list[str] = []
        self._after = after
        self._kill = kill
        self._armed = True

    @property
    def dead(self) -> bool:
        """Whether the last statement has arrived."""
        return self._armed and self._after is not None and len(self.arrived) >= self._after

    def disarm(self) -> None:
        """Count no more: tasks that outlive the block live on."""
        self._armed = False

    @property
    def edges(self) -> list[int]:
        """The deaths that differ for the database: the last moment before each commit, and the
        first one after it. All others fall into a transaction that is undone."""
        sent = [sql.strip().upper() for sql in self.arrived]
        commits = [n for n, sql in enumerate(sent, 1) if sql.startswith("COMMIT")]
        return sorted({*commits, *(n - 1 for n in commits if n > 1)})

    async def send(self, connection: Any, sql: str, statement: Callable[[], Awaitable[Any]]) -> Any:
        """Send one statement, if this process still lives, and die when it was the last."""
        if not self._armed:
            return await statement()
        if self.dead:
            self._die(connection)
        found = await statement()
        self.arrived.append(sql)
        if self.dead:
            self._die(connection)
        return found

    def _die(self, connection: Any) -> None:
        if self._kill:
            os.kill(os.getpid(), signal.SIGKILL)
        connection.terminate()
        raise Died


_mortal: ContextVar[Mortal | None] = ContextVar("mortal", default=None)

#: Every way by which asyncpg sends a statement.
_DOORS: tuple[tuple[type[Any], str], ...] = (
    (Connection, "execute"),
    (Connection, "_execute"),
    (Connection, "_executemany"),
    (PreparedStatement, "_PreparedStatement__do_execute"),
)


@contextlib.contextmanager
def mortal(after: int | None, *, kill: bool = False) -> Iterator[Mortal]:
    """Let this task die after so many statements (None: only count them)."""
    one = Mortal(after, kill=kill)
    token = _mortal.set(one)
    real = [(owner, name, getattr(owner, name)) for owner, name in _DOORS]
    for owner, name, through in real:
        setattr(owner, name, _counted(owner, name, through))
    try:
        yield one
    finally:
        for owner, name, through in real:
            setattr(owner, name, through)
        one.disarm()
        _mortal.reset(token)


async def dies(life: Mortal, act: Awaitable[Any]) -> None:
    """Do ``act``, in which ``life`` ends. What the dead still say is of no account: an exception
    over a lost connection may have become an answer, which nobody receives."""
    try:
        await act
    except BaseException:
        if not life.dead:
            raise
    await asyncio.sleep(0)  # what was shielded notices as well
    assert life.dead, f"it lived on after {len(life.arrived)} statements"


def _counted(
    owner: type[Any], name: str, real: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    async def call(self: Any, *args: Any, **named: Any) -> Any:
        one = _mortal.get()
        # With arguments, ``execute`` goes through ``_execute``, which counts.
        if one is None or (name == "execute" and len(args) > 1):
            return await real(self, *args, **named)
        prepared = owner is PreparedStatement
        connection = self._connection if prepared else self
        sql = self.get_query() if prepared else args[0]
        return await one.send(connection, sql, lambda: real(self, *args, **named))

    return call
