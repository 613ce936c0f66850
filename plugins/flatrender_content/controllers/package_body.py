"""A package in a request's body: the zip itself, or a form with the zip as its ``file``.

Owns reading it to a file as it comes, and its description. Litestar counts the body against the
route's limit either way.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)

from flatrender.errors import FieldError, Invalid

_CHUNK = 1 << 20
_FORM = "multipart/form-data"


@dataclass
class PackageOperation(Operation):
    """An operation whose body is a package."""

    def __post_init__(self) -> None:
        """Describe the body."""
        zip_ = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        form = Schema(type=OpenAPIType.OBJECT, properties={"file": zip_}, required=["file"])
        self.request_body = RequestBody(
            description="A dotLottie v2 package with its `flatrender.json`.",
            required=True,
            content={
                "application/zip": OpenAPIMediaType(schema=zip_),
                _FORM: OpenAPIMediaType(schema=form),
            },
        )


async def receive(request: Request[Any, Any, Any], path: Path) -> None:
    """Write the package to ``path``. Raises ``Invalid`` for a form without a file."""
    stream = await asyncio.to_thread(path.open, "wb")
    try:
        async for chunk in _chunks(request):
            await asyncio.to_thread(stream.write, chunk)
    finally:
        await asyncio.to_thread(stream.close)


async def _chunks(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    if request.content_type[0] != _FORM:
        async for chunk in request.stream():
            yield chunk
        return
    form = await request.form()
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Invalid(
            errors=[
                FieldError(
                    pointer="/file",
                    code="required",
                    message_fa="فایل بسته لازم است",
                    message_en="The form needs the package as its file",
                )
            ]
        )
    while chunk := await file.read(_CHUNK):
        yield chunk
