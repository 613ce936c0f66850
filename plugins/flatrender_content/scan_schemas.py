"""Requests of template scans: a draft, a file to be read, what of a preview to apply."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from flatrender.template.manifest import Mode, Text
from flatrender.template.project_scan import ScanKind
from flatrender_content.schemas import LongWords, TemplateSlug


class DraftBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A template to be filled by a scan: nobody sees it before it is published."""

    slug: TemplateSlug
    name: Text
    description: LongWords = LongWords()
    mode: Mode
    direction: Literal["rtl", "ltr"] = "rtl"


class ScanFileBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A project or bundle among the caller's own files."""

    file_id: UUID
    kind: ScanKind = "quick"


EntryPath = Annotated[str, Meta(min_length=1, max_length=160)]


class ApplyBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of a preview is to be applied. ``skip`` are paths of entries that stay as they are,
    ``remove`` orphans to be deleted (they come back when a later project has them again)."""

    add: bool = True
    change: bool = True
    revive: bool = True
    skip: Annotated[list[EntryPath], Meta(max_length=5000)] = []
    remove: Annotated[list[EntryPath], Meta(max_length=5000)] = []
