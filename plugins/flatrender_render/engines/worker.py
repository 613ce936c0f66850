"""A render process: takes one piece of work at a time from a pipe and answers on another.

Started by ``pool`` as ``python -m flatrender_render.engines.worker``. Owns the process: its pipes,
its memory limit, dying with its parent. Whatever happens while drawing costs this process and one
attempt of one piece of work. Never opens a socket.
"""

import argparse
import contextlib
import ctypes
import gc
import os
import queue
import signal
import sys
import threading
import time
from typing import BinaryIO

import msgspec

from flatrender.template.package import PackageRefused
from flatrender_render.engines import EngineError, engines
from flatrender_render.engines.doer import Doer
from flatrender_render.engines.heap import give_back, keep_freed
from flatrender_render.engines.work import (
    LENGTH,
    Alive,
    Answer,
    Cancel,
    Done,
    Failed,
    Halted,
    Progress,
    Ready,
    Request,
    Task,
)
from flatrender_render.media.errors import MediaError, ProofFailed, Stopped

_EVERY = 0.2  # seconds between reports without a preview
_IDLE = 10.0  # seconds without work after which free memory is the machine's again
_PR_SET_PDEATHSIG = 1


class Channel:
    """Length-prefixed MessagePack over two pipes."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source = source
        self._target = target
        self._decoder = msgspec.msgpack.Decoder(Request)
        self._lock = threading.Lock()

    def receive(self) -> Request | None:
        """Return the next request, or None when the parent has gone."""
        head = self._source.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return None
        body = self._source.read(LENGTH.unpack(head)[0])
        request: Request = self._decoder.decode(body)
        return request

    def send(self, answer: Answer) -> None:
        """Send an answer."""
        body = msgspec.msgpack.encode(answer)
        with self._lock:
            self._target.write(LENGTH.pack(len(body)) + body)
            self._target.flush()


class Process:
    """The life of one render process."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._current = 0
        self._cancelled: set[int] = set()
        self._reported = 0.0
        self._doer = Doer(self._should_stop, self._report)

    def run(self) -> None:
        """Serve until the parent goes."""
        threading.Thread(target=self._listen, daemon=True).start()
        self._channel.send(Ready(os.getpid()))
        while True:
            self._serve(self._next())

    def _next(self) -> Task:
        try:
            return self._tasks.get(timeout=_IDLE)
        except queue.Empty:
            give_back()
            return self._tasks.get()

    def _listen(self) -> None:
        while (request := self._channel.receive()) is not None:
            if isinstance(request, Cancel):
                self._cancelled.add(request.id)
            else:
                self._tasks.put(request)
        os._exit(0)  # the parent is gone: nobody wants what the main thread is making

    def _should_stop(self) -> bool:
        now = time.monotonic()
        if now - self._reported > 1.0:
            self._reported = now
            self._channel.send(Alive(self._current))
        return self._current in self._cancelled

    def _report(self, frame: int, done: int, total: int, picture: str | None) -> None:
        now = time.monotonic()
        # The first tells that the project opened, the last that only closing is left.
        if picture is None and 1 < done < total and now - self._reported < _EVERY:
            return
        self._reported = now
        self._channel.send(
            Progress(id=self._current, frame=frame, done=done, total=total, preview=picture)
        )

    def _serve(self, task: Task) -> None:
        self._current = task.id
        begun = time.process_time()
        try:
            result = msgspec.Raw(msgspec.msgpack.encode(self._do(task)))
            answer: Answer = Done(task.id, result, time.process_time() - begun)
        except Stopped:
            answer = Halted(task.id)
        except ProofFailed as error:
            answer = _failed(task, error.code, error, kind=error.kind, frames=list(error.frames))
        except MediaError as error:
            answer = _failed(task, error.code, error)
        except EngineError as error:
            answer = _failed(task, error.code, error, frame=error.frame, exit_code=error.exit_code)
        except PackageRefused as error:
            answer = _failed(task, error.code, error)
        except MemoryError as error:
            answer = _failed(task, "out_of_memory", error)
        except OSError as error:
            answer = _failed(task, "disk_error", error)
        except Exception as error:  # noqa: BLE001  # an unknown fault is an answer too
            answer = _failed(task, "internal_error", error)
        self._cancelled.discard(task.id)
        self._channel.send(answer)
        gc.collect()  # while nobody waits; during a chunk it would stop frames for 50 ms and more

    def _do(self, task: Task) -> object:
        if task.id in self._cancelled:
            raise Stopped
        return self._doer.do(task.work)


def _failed(
    task: Task,
    code: str,
    error: BaseException,
    *,
    frame: int | None = None,
    kind: str = "",
    frames: list[int] | None = None,
    exit_code: int | None = None,
) -> Failed:
    text = str(error) or type(error).__name__
    return Failed(
        id=task.id,
        code=code,
        message=text if code != "internal_error" else f"{type(error).__name__}: {text}",
        frame=frame,
        kind=kind,
        frames=frames or [],
        exit_code=exit_code,
    )


def _die_with_parent() -> None:
    """Ask Linux to end this process with its parent (prctl(2)); elsewhere the pipe's end does."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(limit: int) -> None:
    """Bound the address space, in bytes; allocations beyond it fail in this process only."""
    if limit:
        try:
            import resource
        except ImportError:  # Windows has job objects instead; the farm's node sets those
            return
        # The soft limit only: a program that an engine drives may have more than this process.
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        with contextlib.suppress(ValueError, OSError):  # macOS does not take every value
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def main() -> None:
    """Run a render process on the standard streams."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", type=int, default=0, help="bytes of address space")
    parser.add_argument("--nice", type=int, default=0)
    options = parser.parse_args()
    _die_with_parent()
    _limit_memory(options.memory)
    keep_freed()
    if hasattr(os, "nice"):
        os.nice(options.nice)
    # The protocol keeps the pipes to itself: what a library prints goes to standard error.
    source = os.fdopen(os.dup(0), "rb")
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    with contextlib.suppress(EngineError):  # a bad one is reported to whoever asks for it
        engines()  # loaded now, so that the first frame does not wait for their libraries
    gc.collect()
    gc.freeze()
    gc.disable()
    Process(Channel(source, target)).run()


if __name__ == "__main__":
    main()
