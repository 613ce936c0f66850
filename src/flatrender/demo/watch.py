"""Following a render live: WebSocket ``flatrender.v1``, server-sent events as the fallback."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from flatrender.demo.api import Api
from flatrender.demo.errors import JourneyError

ENDINGS = ("done", "failed", "cancelled")


def follow(api: Api, job_id: str) -> Iterator[dict[str, Any]]:
    """Yield the job's messages until it ends, over whatever transport works.

    A broken stream is taken up again: the first message always tells the present state.
    """
    for _attempt in range(10):
        ticket = api.post(f"/v1/renders/{job_id}/watch-token")
        try:
            stream = _websocket(ticket["ws_url"])
            first = next(stream)
        except (WebSocketException, OSError, StopIteration):
            stream = _events(ticket["sse_url"])
            first = next(stream, {})
        for message in _chain(first, stream):
            if not message:
                continue
            yield message
            if message.get("type") in ENDINGS:
                return
            if message.get("type") == "hello" and message.get("step") in (
                "Done",
                "Failed",
                "Cancelled",
            ):
                return
    raise JourneyError(f"the live stream of {job_id} broke ten times")


def _chain(first: dict[str, Any], rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield first
    try:
        yield from rest
    except (WebSocketException, httpx.HTTPError, OSError):
        return


def _websocket(url: str) -> Iterator[dict[str, Any]]:
    with connect(url, subprotocols=[Subprotocol("flatrender.v1")], open_timeout=10) as socket:
        for text in socket:
            message: dict[str, Any] = msgspec.json.decode(text)
            yield message


def _events(url: str) -> Iterator[dict[str, Any]]:
    with httpx.stream("GET", url, timeout=httpx.Timeout(10, read=60)) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if line.startswith("data:"):
                message: dict[str, Any] = msgspec.json.decode(line[5:].strip())
                yield message
