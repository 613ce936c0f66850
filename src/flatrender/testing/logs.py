"""What a platform in a test process logs: for whoever reads a failure, and cheap to write."""

from typing import Any

import structlog


def _without_debug(_logger: Any, _method: str, event: structlog.typing.EventDict) -> Any:
    """Leave debug lines out. Of a processor and not of the level: ``capture_logs`` replaces the
    processors and still sees every line."""
    if event["level"] == "debug":
        raise structlog.DropEvent
    return event


def plain_logs() -> None:
    """Send structlog's lines from info up to standard output, tracebacks as Python writes them.

    Without this its defaults hold: every line from debug up in colours, every traceback drawn
    with the values of all variables. Most of them nobody reads, for most tests pass.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            _without_debug,
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(
                key_order=["timestamp", "level", "event"], drop_missing=True
            ),
        ]
    )
