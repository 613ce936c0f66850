"""Pages of our own: files that are read once, served with an entity tag and a strict policy."""

import hashlib
from pathlib import Path
from typing import Any

from litestar import Request, Response

#: Scripts, styles and calls to this origin only; ``data:`` pictures are icons of the page.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class Assets:
    """The files of one folder, by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[bytes, str]] = {}

    def serve(
        self,
        request: Request[Any, Any, Any],
        name: str,
        kind: str,
        caching: str,
        *,
        policy: str = PAGE_POLICY,
    ) -> Response[bytes | None]:
        """Answer with a file; ``name`` is one the caller knows, never one that was asked for."""
        found = self._read.get(name)
        if found is None:
            content = (self._folder / name).read_bytes()
            found = self._read[name] = (content, tag_of(content))
        return served(request, *found, kind, caching, policy=policy)


def tag_of(content: bytes) -> str:
    """Return the strong entity tag of a content."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def served(
    request: Request[Any, Any, Any],
    content: bytes,
    tag: str,
    kind: str,
    caching: str,
    *,
    policy: str = PAGE_POLICY,
) -> Response[bytes | None]:
    """Answer with ``content``, or 304 to whom has it already."""
    headers = {
        "etag": tag,
        "cache-control": caching,
        "content-security-policy": policy,
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(content=None, status_code=304, headers=headers)
    return Response(content=content, headers=headers, media_type=kind)
