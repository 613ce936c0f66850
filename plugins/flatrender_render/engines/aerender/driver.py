"""One run of a program of After Effects: started, read, watched, ended, judged.

Owns the loop over its output, the frames on the disk and the watchdogs. Ends only the tree that it
started. What is rendered and what it means is the engine's.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from flatrender_render.engines.aerender.failures import AerenderFailed, Outcome, classify
from flatrender_render.engines.aerender.loglines import (
    Banner,
    Errored,
    Event,
    Finished,
    LogParser,
    Started,
)
from flatrender_render.engines.aerender.processtree import ProcessTree
from flatrender_render.engines.aerender.watchdog import Patience, Watchdog
from flatrender_render.media.errors import Stopped

_TICK: Final = 0.04  # seconds between looks; bounds how late a cancel is heard


class Signs(Struct, frozen=True, kw_only=True):
    """What can be seen beside the log: ``frames`` so far, and how far the work is."""

    frames: int = 0
    started: bool = False
    opened: bool = False
    done: bool = False


class Ended(Struct, frozen=True, kw_only=True):
    """A run that is over. ``done`` when the work was seen finished before its end."""

    outcome: Outcome
    done: bool
    version: str = ""
    tail: tuple[str, ...] = ()


def drive(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    patience: Patience,
    look: Callable[[], Signs],
    should_stop: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Ended:
    """Run a program to its end, whatever that is.

    ``look`` is asked between reads and may work (take frames). Raises ``Stopped`` when told to,
    and ``AerenderFailed`` when the program cannot be started; the tree is gone in any case.
    """
    try:
        tree = ProcessTree(command, environment, folder)
    except OSError as error:
        raise AerenderFailed("node_ae_missing", f"{command[0]}: {error.strerror}") from error
    run = _Run(Watchdog(patience, clock))
    with tree:
        status = None
        while status is None:
            if should_stop():
                raise Stopped
            block = tree.output(_TICK)
            if block:
                run.hear(run.parser.feed(block), printed=True)
            elif block is None:
                time.sleep(_TICK)  # its output is closed, its end is near
            run.see(look())
            status = tree.poll()
            if status is None and (phase := run.dog.expired()) is not None:
                run.expired = phase
                tree.end()
                status = tree.poll()
        while block := tree.output(_TICK):
            run.hear(run.parser.feed(block), printed=True)
    run.hear(run.parser.end(), printed=False)
    run.see(look())
    return run.ended(status)


class _Run:
    def __init__(self, dog: Watchdog) -> None:
        self.dog = dog
        self.parser = LogParser()
        self.expired = ""
        self._errors: list[str] = []
        self._version = ""
        self._frames = 0
        self._done = False

    def hear(self, events: Iterator[Event], *, printed: bool) -> None:
        """Take what was printed."""
        if printed:
            self.dog.output()
        for event in events:
            match event:
                case Banner():
                    self._version = event.version
                case Started():
                    self.dog.opened()
                case Finished():
                    self._done = True
                case Errored():
                    self._errors.append(event.text)
        self._count(self.parser.frames)
        if self._done:
            self.dog.finished()

    def see(self, signs: Signs) -> None:
        """Take what is seen on the disk."""
        if signs.started:
            self.dog.output()
        if signs.opened:
            self.dog.opened()
        self._count(signs.frames)
        if signs.done:
            self._done = True
            self.dog.finished()

    def _count(self, frames: int) -> None:
        # The log and the disk tell of the same frames: whichever is ahead counts.
        if frames > self._frames:
            self.dog.frame(frames - self._frames)
            self._frames = frames

    def ended(self, status: int | None) -> Ended:
        """Return what came of it."""
        return Ended(
            outcome=Outcome(status=status, errors=tuple(self._errors), expired=self.expired),
            done=self._done,
            version=self._version,
            tail=tuple(self.parser.tail),
        )


def judge(ended: Ended) -> None:
    """Raise ``AerenderFailed`` for a run that failed; the exit watchdog alone condemns nothing.

    Then the work was seen finished, and what it made is proven as ever.
    """
    outcome = ended.outcome
    if outcome.expired == "exit" and not outcome.errors and ended.done:
        return
    failure = classify(outcome)
    if failure is not None:
        code, message = failure
        last = f" | {' | '.join(ended.tail[-4:])}" if ended.tail else ""
        raise AerenderFailed(
            code, f"{message}{last}"[:2000], exit_code=outcome.status, log=ended.tail
        )
