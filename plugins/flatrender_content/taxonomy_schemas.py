"""Requests and answers of categories and tags for their administrators."""

from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from flatrender.template.manifest import Text
from flatrender_content.schemas import (
    HexColor,
    Icon,
    LongWords,
    Position,
    SlugValue,
    Words,
)


class CategoryBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new category."""

    slug: SlugValue
    name: Text
    description: LongWords = LongWords()
    parent_id: UUID | None = None
    icon: Icon | None = None
    position: Position = 0
    active: bool = True


class CategoryChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Changes of a category; absent fields stay."""

    slug: SlugValue | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    description: LongWords | UnsetType = UNSET
    parent_id: UUID | UnsetType | None = UNSET
    icon: Icon | UnsetType | None = UNSET
    position: Position | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class TagBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new tag."""

    slug: SlugValue
    name: Text
    color: HexColor | None = None
    position: Position = 0


class TagChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Changes of a tag; absent fields stay."""

    slug: SlugValue | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    color: HexColor | UnsetType | None = UNSET
    position: Position | UnsetType = UNSET


class AdminCategory(Struct, frozen=True, kw_only=True):
    """A category as its administrators see it."""

    id: UUID
    slug: str
    name: Words
    description: Words
    parent_id: UUID | None
    icon: str | None
    position: int
    active: bool


class AdminTag(Struct, frozen=True, kw_only=True):
    """A tag as its administrators see it."""

    id: UUID
    slug: str
    name: Words
    color: str | None
    position: int
