"""The progress of a render: a bar in a terminal, a few plain lines anywhere else."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: A log gets a line whenever this share (percent) more is done.
STEP = 10


class RenderProgress(Protocol):
    """Shows how far a render is. Use as a context manager."""

    def show(self, step: str, done: int) -> None:
        """Say that ``done`` frames are finished and what is being done now."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def render_progress(console: Console, total: int) -> RenderProgress:
    """Return what suits the console: a bar, or lines when nobody can see a bar move."""
    return Bar(console, total) if console.is_terminal else Lines(console, total)


class Bar:
    """A bar that moves."""

    def __init__(self, console: Console, total: int) -> None:
        self._progress = Progress(
            TextColumn("          {task.description:12}"),
            BarColumn(bar_width=36),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("Queued", total=total)

    def show(self, step: str, done: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, description=step, completed=done)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


class Lines:
    """One line per ten percent, at most."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = max(total, 1)
        self._said = 0

    def show(self, step: str, done: int) -> None:
        """Print a line when a further tenth is done."""
        percent = min(done * 100 // self._total, 100)
        if percent - self._said >= STEP or percent == 100 > self._said:
            self._said = percent
            self._console.print(f"          {percent:3} %  {step}", soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None
