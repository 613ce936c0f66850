"""Entity tags from row versions: If-Match, If-None-Match, 304, 412, 428 (RFC 9110 section 13).

A resource's version is an integer that grows with every change; its strong tag is ``"v12"``. The
comparison that protects a write belongs into its UPDATE (``... WHERE version = :expected``):
:func:`expected_versions` gives what to compare with.
"""

import re
from typing import Any

from litestar import Response
from msgspec import Struct

from flatrender.errors import PreconditionFailed
from flatrender.http.errors import BadRequest, PreconditionRequired

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|\Z)')
_VERSION = re.compile(r"v(0|[1-9]\d{0,17})\Z")
_MAX_HEADER = 2048


class InvalidPrecondition(BadRequest):
    """If-Match or If-None-Match cannot be read."""

    code = "precondition_invalid"
    title_fa = "سرآیند شرط نسخه خوانا نیست"
    title_en = "The precondition header cannot be read"


class EntityTags(Struct, frozen=True):
    """A parsed If-Match or If-None-Match: ``*``, or (tag, weak) pairs."""

    any: bool = False
    tags: tuple[tuple[str, bool], ...] = ()


def etag(version: int) -> str:
    """Return the strong entity tag of a version, quotes included."""
    return f'"v{version}"'


def parse_tags(header: str) -> EntityTags:
    """Parse an If-Match or If-None-Match value; raises :class:`InvalidPrecondition`."""
    text = header.strip()
    if text == "*":
        return EntityTags(any=True)
    tags, at = [], 0
    if len(text) > _MAX_HEADER:
        raise InvalidPrecondition
    while at < len(text):
        found = _TAG.match(text, at)
        if found is None:
            raise InvalidPrecondition
        tags.append((found.group(2), found.group(1) is not None))
        at = found.end()
    if not tags:
        raise InvalidPrecondition
    return EntityTags(tags=tuple(tags))


def expected_versions(if_match: str | None, *, required: bool = True) -> list[int] | None:
    """Return the versions that If-Match allows, None when any will do.

    Weak tags never match (strong comparison), tags that are not ours name no version, so the
    list may be empty: nothing can match. Raises :class:`PreconditionRequired` when the header is
    absent and ``required``, :class:`InvalidPrecondition` when it cannot be read.
    """
    if if_match is None:
        if required:
            raise PreconditionRequired
        return None
    parsed = parse_tags(if_match)
    if parsed.any:
        return None
    return [
        int(found.group(1))
        for tag, weak in parsed.tags
        if not weak and (found := _VERSION.match(tag))
    ]


def require_match(if_match: str | None, version: int, *, required: bool = True) -> None:
    """Raise :class:`PreconditionFailed` (412) unless If-Match allows the stored ``version``."""
    allowed = expected_versions(if_match, required=required)
    if allowed is not None and version not in allowed:
        raise PreconditionFailed(headers={"ETag": etag(version)})


def not_modified(if_none_match: str | None, version: int) -> bool:
    """Tell whether the caller already holds ``version`` (weak comparison, for GET and HEAD).

    A header that cannot be read counts as absent: the full answer is never wrong.
    """
    if if_none_match is None:
        return False
    try:
        parsed = parse_tags(if_none_match)
    except InvalidPrecondition:
        return False
    return parsed.any or any(tag == f"v{version}" for tag, _weak in parsed.tags)


def tagged(content: Any, version: int, *, if_none_match: str | None = None) -> Response[Any]:
    """Return ``content`` with its ETag, or 304 without content when the caller holds it.

    Answers a GET; for a change use ``Response(content, headers={"ETag": etag(version)})``.
    """
    headers = {"ETag": etag(version)}
    if not_modified(if_none_match, version):
        return Response(content=None, status_code=304, headers=headers)
    return Response(content=content, headers=headers)
