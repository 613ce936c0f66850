"""The one error of the embedded servers: a single clear line that says what to do."""


class EmbeddedError(RuntimeError):
    """Starting or running an embedded server failed; ``str(error)`` is one line for people.

    ``detail`` may hold the tail of the server's log, several lines, to be shown below it.
    """

    def __init__(self, line: str, *, detail: str = "") -> None:
        super().__init__(" ".join(line.split()))
        self.detail = detail


class PortBusyError(EmbeddedError):
    """A server could not bind: somebody took the port between our look and its start."""


class StartCancelled(EmbeddedError):
    """`stop()` was asked for while the servers were still starting."""
