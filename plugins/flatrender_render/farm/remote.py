"""The farm as a machine outside meets it: signed HTTP that only dials out, and presigned links.

Owns signing, retries and the mapping of answers to the link's exceptions. Every call may be sent
again: reports are fenced, and one whose answer got lost is taken again without harm. Never talks
to the database or to the store's own API.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar
from uuid import UUID

import httpx
import msgspec
import structlog

from flatrender.security.secrets import Secret
from flatrender.security.signatures import sign_request
from flatrender.storage import ObjectMissing, ObjectTooLong, StoreError
from flatrender_render.domain import Step
from flatrender_render.farm import wire
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.link import Failure, Files, Part
from flatrender_render.farm.repairs import Damage
from flatrender_render.farm.reports import FinishedExport, Piece

log = structlog.get_logger(__name__)

T = TypeVar("T")
C = TypeVar("C")

BLOCK = 256 * 1024
ANSWER_SECONDS = 15.0
_CONNECT = 5.0
_CLOCK_TRIES = 5  # of a call whose time the farm does not take
_CLOCK_PAUSE = 1.0  # seconds; timestamps are whole ones
#: The attempt has ended, by its lease or because the farm did not find its result good.
_OVER = frozenset({"stale_epoch", "not_proven"})
LOOK_SECONDS = 600.0  # the farm decodes a whole film before it answers
_RETRIES = 6  # of a report, with waits that double from half a second


class FarmAway(Exception):
    """The farm did not answer, or not in a way that says anything about the call."""


class FarmRefused(Exception):
    """The farm understood and refused. ``status`` and ``code`` are the problem's."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class Bandwidth:
    """Bounds bytes a second over all transfers of a node. ``limit`` in bits per second."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._free_at = 0.0

    async def take(self, size: int) -> None:
        """Wait until ``size`` more bytes may go over the line."""
        if self.limit is None:
            return
        now = time.monotonic()
        start = max(now, self._free_at)
        self._free_at = start + size * 8 / self.limit
        if start > now:
            await asyncio.sleep(start - now)


class FarmClient:
    """Signed calls of one node. ``url`` is the server's base."""

    def __init__(
        self, url: str, node_id: UUID, secret: Secret, *, now: Callable[[], float] = time.time
    ) -> None:
        self._url = url.rstrip("/")
        self._node_id = node_id
        self._secret = secret
        self._skew = 0.0  # seconds to add to our clock: a wrong clock must not lock a node out
        self._now = now
        self._serial = 0
        self.http = httpx.AsyncClient(timeout=httpx.Timeout(ANSWER_SECONDS, connect=_CONNECT))
        self.bandwidth = Bandwidth(None)

    async def close(self) -> None:
        """Close connections."""
        await self.http.aclose()

    async def call(
        self,
        path: str,
        body: msgspec.Struct | None,
        kind: type[T],
        *,
        within: float = ANSWER_SECONDS,
    ) -> T | None:
        """Send a signed POST; returns the decoded answer, None for 204.

        Raises :class:`FarmAway`, :class:`FarmRefused` and ``StaleEpoch``.
        """
        for attempt in range(_CLOCK_TRIES):
            answer = await self._send(path, body, within)
            # The server's clock decides; we learn how far ours is off and sign once more.
            if answer.status_code != 401 or not self._learn_skew(answer):
                break
            if attempt:
                # Its Date may be behind by a second, and it takes nothing of seconds whose
                # signatures it has forgotten: those pass.
                await asyncio.sleep(_CLOCK_PAUSE)
        if answer.status_code == 204:
            return None
        if answer.status_code == 200:
            try:
                return msgspec.json.decode(answer.content, type=kind)
            except msgspec.MsgspecError as error:
                raise FarmAway(f"no answer of ours: {error}") from error
        problem = _problem(answer)
        code = str(problem.get("code", ""))
        if answer.status_code == 409 and code in _OVER:
            log.warning("attempt_over", code=code, detail=str(problem.get("detail", "")))
            raise StaleEpoch
        if answer.status_code >= 500 or answer.status_code in (408, 425, 429) or not code:
            raise FarmAway(f"answered {answer.status_code} {code}")
        raise FarmRefused(answer.status_code, code, str(problem.get("detail", "")))

    async def insist(
        self,
        path: str,
        body: msgspec.Struct | None,
        kind: type[T],
        *,
        within: float = ANSWER_SECONDS,
    ) -> T | None:
        """As ``call``, through short absences of the farm."""
        for attempt in range(_RETRIES):
            try:
                return await self.call(path, body, kind, within=within)
            except FarmAway as error:
                if attempt == _RETRIES - 1:
                    raise
                log.warning("farm_away", path=path, error=str(error))
                await asyncio.sleep(0.5 * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311
        raise FarmAway(path)

    async def _send(self, path: str, body: msgspec.Struct | None, within: float) -> httpx.Response:
        data = msgspec.json.encode(body) if body is not None else b""
        # The serial makes two equal calls in one second two signatures: the second is no replay.
        self._serial += 1
        target = f"{path}?n={self._serial}"
        stamp = int(self._now() + self._skew)
        headers = {
            "content-type": "application/json",
            "x-node-id": str(self._node_id),
            "x-node-timestamp": str(stamp),
            "x-node-signature": sign_request(self._secret, stamp, "POST", target, data),
        }
        try:
            return await self.http.post(
                self._url + target,
                content=data,
                headers=headers,
                timeout=httpx.Timeout(within, connect=_CONNECT),
            )
        except httpx.HTTPError as error:
            raise FarmAway(repr(error)) from error

    def _learn_skew(self, answer: httpx.Response) -> bool:
        if _problem(answer).get("code") != "signature_expired" or "date" not in answer.headers:
            return False
        from email.utils import parsedate_to_datetime

        told = parsedate_to_datetime(answer.headers["date"]).timestamp()
        self._skew = told - self._now()
        log.warning("clock_is_off", seconds=round(-self._skew))
        return True


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(answer.content)
    except msgspec.MsgspecError:
        return {}
    return found if isinstance(found, dict) else {}


class HttpReports(Generic[C]):
    """What links over HTTP of every kind of claim have in common; ``place`` is a claim's path.

    ``wait`` is how long a claim is waited for, in seconds.
    """

    def __init__(
        self, client: FarmClient, place: Callable[[C], str], *, wait: float = wire.MAX_WAIT
    ) -> None:
        self._client = client
        self._place = place
        self._wait = wait

    def files(self, claim: C) -> Files:
        """Return the way to the objects of a claim."""
        return HttpFiles(self._client, self._path(claim, ""))

    async def fail(self, claim: C, failure: Failure) -> None:
        """See ``Reporting``."""
        await self._client.insist(self._path(claim, "fail"), wire.Failed(failure=failure), dict)

    async def late(self, claim: C) -> None:
        """See ``Reporting``: the server counted the report when it refused it."""

    async def give_back(self, claim: C) -> None:
        """See ``Reporting``."""
        await self._client.call(self._path(claim, "release"), None, dict)

    def _path(self, claim: C, act: str) -> str:
        return f"{self._place(claim)}/{act}"


class HttpLink(HttpReports[Claim]):
    """A ``FarmLink`` over HTTP."""

    def __init__(self, client: FarmClient, *, wait: float = wire.MAX_WAIT) -> None:
        super().__init__(client, lambda c: f"{wire.API}/claims/{c.id}/{c.epoch}", wait=wait)
        self._bundles = True

    async def claim(self, engine: str) -> Claim | None:
        """See ``FarmLink``. Raises ``FarmAway`` and ``FarmRefused``."""
        return await self.claim_any([engine])

    async def claim_any(self, engines: list[str]) -> Claim | None:
        """Take a frame job of any of these engines, waiting for one."""
        ask = wire.Ask(engines=engines, wait=self._wait)
        path = f"{wire.API}/claims"
        return await self._client.call(path, ask, Claim, within=self._wait + ANSWER_SECONDS)

    async def claim_many(self, engines: list[str], most: int) -> list[Claim]:
        """Take up to ``most`` frame jobs, waiting for the first; one from an older farm."""
        if most > 1 and self._bundles:
            ask = wire.AskMany(engines=engines, wait=self._wait, most=most)
            path = f"{wire.API}/claims/batch"
            within = self._wait + ANSWER_SECONDS
            try:
                answer = await self._client.call(path, ask, wire.Claims, within=within)
            except FarmRefused as error:
                if error.status not in {404, 405}:
                    raise
                log.warning("farm_gives_one_at_a_time", error=str(error))  # older than this node
                self._bundles = False
            else:
                return answer.claims if answer else []
        found = await self.claim_any(engines)
        return [found] if found else []

    async def begin(self, claim: Claim) -> None:
        """See ``FarmLink``."""
        await self._client.insist(self._path(claim, "begin"), None, dict)

    async def beat(self, claim: Claim, frames: int, preview: str | None) -> None:
        """See ``FarmLink``."""
        if preview is not None and len(preview) > wire.PREVIEW_LIMIT:
            preview = None
        beat = wire.Beat(frames=frames, preview=preview)
        await self._client.call(self._path(claim, "beat"), beat, dict)

    async def enter(self, claim: Claim, step: Step) -> None:
        """See ``FarmLink``."""
        await self._client.insist(self._path(claim, "enter"), wire.Enter(step=step), dict)

    async def parts(self, claim: Claim) -> list[Part]:
        """See ``FarmLink``."""
        found = await self._client.insist(self._path(claim, "parts"), None, wire.Parts)
        return found.parts if found else []

    async def complete(self, claim: Claim, piece: Piece, preview: str | None) -> None:
        """See ``FarmLink``."""
        report = wire.Completed(piece=piece, preview=preview)
        await self._client.insist(self._path(claim, "complete"), report, dict)

    async def finish(self, claim: Claim, export: FinishedExport) -> None:
        """See ``FarmLink``."""
        report = wire.Finished(export=export)
        await self._client.insist(self._path(claim, "finish"), report, dict, within=LOOK_SECONDS)

    async def damaged(self, claim: Claim, damages: Sequence[Damage], reason: str) -> None:
        """See ``FarmLink``."""
        report = wire.DamageFound(damages=list(damages), reason=reason[:4000])
        await self._client.insist(self._path(claim, "damaged"), report, dict)


class HttpFiles:
    """Objects of one claim by presigned links, within the node's bandwidth.

    ``path`` is the claim's own, with a slash at its end.
    """

    def __init__(self, client: FarmClient, path: str) -> None:
        self._client = client
        self._path = path

    async def download(self, key: str, target: Path, *, most: int | None = None) -> None:
        """See ``Files``. A transfer that is cut off goes on where it stopped."""
        got = 0
        for attempt in range(_RETRIES):
            link = await self._link(key, write=False)
            headers = {"range": f"bytes={got}-"} if got else {}
            try:
                async with self._client.http.stream("GET", link, headers=headers) as answer:
                    if answer.status_code == 404:
                        raise ObjectMissing(key)
                    if answer.status_code == 416:  # all of it was there already
                        return
                    if answer.status_code not in (200, 206):
                        raise StoreError(f"store answered {answer.status_code}: {key}")
                    if answer.status_code == 200:
                        got = 0
                    with target.open("r+b" if got else "wb") as file:
                        file.seek(got)
                        # Raw: what another node called compressed may unpack without a bound.
                        async for block in answer.aiter_raw(BLOCK):
                            if most is not None and got + len(block) > most:
                                raise ObjectTooLong(key, most)
                            await self._client.bandwidth.take(len(block))
                            # A slow disk must not hold up the heartbeats.
                            await asyncio.to_thread(_append, file, block)
                            got += len(block)
                return
            except (httpx.HTTPError, StoreError) as error:
                if isinstance(error, (ObjectMissing, ObjectTooLong)) or attempt == _RETRIES - 1:
                    if isinstance(error, StoreError):
                        raise
                    raise StoreError(f"{error!r}: {key}") from error
                await asyncio.sleep(0.5 * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311

    async def put(
        self, key: str, data: bytes | Path, *, content_type: str = "application/octet-stream"
    ) -> str:
        """See ``Files``. Large files go in parts; what is cut off is sent again alone."""
        size = await asyncio.to_thread(_size, data)
        if size <= wire.PART_BYTES:
            link = await self._link(key, write=True)
            return await self._send(link, data, 0, size)
        start = wire.UploadStart(key=key, size=size, content_type=content_type)
        plan = await self._client.insist(f"{self._path}uploads", start, wire.UploadParts)
        assert plan is not None  # noqa: S101 - narrows the type; the call answers 200
        etags = []
        for number, url in enumerate(plan.urls):
            begin = number * plan.part_bytes
            length = min(plan.part_bytes, size - begin)
            etags.append(await self._send(url, data, begin, length))
        end = wire.UploadEnd(key=key, upload_id=plan.upload_id, etags=etags)
        stored = await self._client.insist(f"{self._path}uploads/end", end, wire.Stored)
        return stored.etag if stored else ""

    async def _link(self, key: str, *, write: bool) -> str:
        ask = wire.Links(put=[key]) if write else wire.Links(get=[key])
        found = await self._client.insist(f"{self._path}links", ask, wire.PresignedLinks)
        assert found is not None  # noqa: S101 - narrows the type; the call answers 200
        return (found.put if write else found.get)[key]

    async def _send(self, url: str, data: bytes | Path, begin: int, length: int) -> str:
        """PUT a range of the data, again where the line breaks."""
        for attempt in range(_RETRIES):
            try:
                answer = await self._client.http.put(
                    url,
                    content=self._blocks(data, begin, length),
                    headers={"content-length": str(length)},
                    timeout=httpx.Timeout(60.0, connect=_CONNECT),
                )
                if answer.status_code == 200:
                    return str(answer.headers.get("etag", "")).strip('"')
                problem = f"store answered {answer.status_code}"
            except httpx.HTTPError as error:
                problem = repr(error)
            if attempt < _RETRIES - 1:
                await asyncio.sleep(0.5 * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311
        raise StoreError(f"{problem}: upload")

    async def _blocks(self, data: bytes | Path, begin: int, length: int) -> AsyncIterator[bytes]:
        if isinstance(data, bytes):
            await self._client.bandwidth.take(length)
            yield data[begin : begin + length]
            return
        with data.open("rb") as file:
            file.seek(begin)
            while length > 0 and (block := await asyncio.to_thread(file.read, min(BLOCK, length))):
                await self._client.bandwidth.take(len(block))
                length -= len(block)
                yield block


def _append(file: BinaryIO, block: bytes) -> None:
    file.write(block)
    file.flush()  # or closing would write the rest, in the event loop


def _size(data: bytes | Path) -> int:
    return data.stat().st_size if isinstance(data, Path) else len(data)
