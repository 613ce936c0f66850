"""Uploading as a browser does: ask, POST the form to the store, say that it is there."""

import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from PIL import Image

from flatrender.testing.platform import Person, Platform


def png(width: int = 8, height: int = 8, colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """Return a small PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


class Uploader:
    """A browser of one platform."""

    def __init__(self, platform: Platform, store: httpx.AsyncClient) -> None:
        self.platform = platform
        self.store = store
        self.png = png

    async def begin(
        self, person: Person, size: int, *, headers: dict[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        """Ask for a place to upload to."""
        asked = {"name": "a.png", "content_type": "image/png", "purpose": "image", **body}
        return await self.platform.client.post(
            "/v1/uploads",
            json={**asked, "size_bytes": size},
            headers={**person.headers, **(headers or {})},
        )

    async def send(self, form: Any, data: bytes, **changed: str) -> httpx.Response:
        """POST the form to the object store, with fields changed."""
        return await self.store.post(
            form["url"],
            data={**form["fields"], **changed},
            files={"file": ("whatever", data, form["fields"].get("Content-Type"))},
        )

    async def complete(self, person: Person, upload_id: str) -> httpx.Response:
        """Say that the bytes are there."""
        return await self.platform.client.post(
            f"/v1/uploads/{upload_id}/complete", headers=person.headers
        )

    async def begun(self, person: Person, data: bytes, **body: Any) -> Any:
        """Ask and send; returns the answer of the asking."""
        form = await self.begin(person, len(data), **body)
        assert form.status_code == 201, form.text
        sent = await self.send(form.json(), data)
        assert sent.status_code in (200, 201, 204), sent.text
        return form.json()

    async def refused(self, person: Person, data: bytes, **body: Any) -> Any:
        """Upload what is refused; returns the problem."""
        form = await self.begun(person, data, **body)
        answer = await self.complete(person, form["upload_id"])
        assert answer.status_code == 422, answer.text
        return answer.json()

    async def file(self, person: Person, data: bytes | None = None, **body: Any) -> Any:
        """Upload a file and return it."""
        form = await self.begun(person, data or png(), **body)
        answer = await self.complete(person, form["upload_id"])
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def quota(self, person: Person) -> Any:
        """Return a person's storage."""
        answer = await self.platform.client.get("/v1/files/quota", headers=person.headers)
        assert answer.status_code == 200
        return answer.json()


@pytest.fixture(scope="session")
async def uploader(platform: Platform) -> AsyncIterator[Uploader]:
    """A browser."""
    async with httpx.AsyncClient(timeout=30) as store:
        yield Uploader(platform, store)
