"""Requests and answers around finished videos: further formats and share links."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

ExtraFormat = Literal["webm", "gif"]


class RenditionsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Make a finished video in further formats."""

    formats: Annotated[list[ExtraFormat], Meta(min_length=1, max_length=2)]


class RenditionFailure(Struct, frozen=True, kw_only=True):
    """Why a format could not be made, in words for its owner."""

    code: str
    message_fa: str
    message_en: str


class Rendition(Struct, frozen=True, kw_only=True):
    """A further format: ``state`` is Waiting, Claimed, Done or Failed; ``progress`` is 0..1.

    ``export_id`` and ``url`` are there once it is Done.
    """

    id: UUID
    format: str
    state: str
    progress: float
    export_id: UUID | None
    url: str | None
    size_bytes: int | None
    failure: RenditionFailure | None
    created_at: datetime
    finished_at: datetime | None


class RenditionList(Struct, frozen=True, kw_only=True):
    """The further formats of a video."""

    data: list[Rendition]


class ShareBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Make a link for people without an account. What is left out does not limit it."""

    name: Annotated[str, Meta(max_length=100)] = ""
    password: Annotated[str, Meta(min_length=4, max_length=128)] | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    max_downloads: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    allow_download: bool = True


class Share(Struct, frozen=True, kw_only=True):
    """A link, as its owner sees it; its address was shown when it was made."""

    id: UUID
    name: str
    password_protected: bool
    allow_download: bool
    max_downloads: int | None
    downloads: int
    views: int
    expires_at: datetime | None
    revoked_at: datetime | None
    last_viewed_at: datetime | None
    created_at: datetime


class CreatedShare(Share, frozen=True, kw_only=True):
    """A new link. ``url`` is shown this once."""

    url: str


class ShareList(Struct, frozen=True, kw_only=True):
    """The links of an export, newest first."""

    data: list[Share]


class UnlockBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The password of a link."""

    password: Annotated[str, Meta(min_length=1, max_length=128)]


class SharedVideo(Struct, frozen=True, kw_only=True):
    """What a link shows. Behind a password that was not given, only that there is one."""

    password_required: bool
    expires_at: datetime | None
    name: str | None = None
    format: str | None = None
    aspect: str | None = None
    width: int | None = None
    height: int | None = None
    fps: int | None = None
    duration_sec: float | None = None
    size_bytes: int | None = None
    allow_download: bool | None = None
    downloads_left: int | None = None
    video_url: str | None = None
    poster_url: str | None = None
    thumbnail_url: str | None = None


class UnlockedShare(Struct, frozen=True, kw_only=True):
    """Good for ``expires_in`` seconds: ``grant`` goes into the query of the link's routes."""

    grant: str
    expires_in: int
    video: SharedVideo


class SceneSnapshotsBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Draw every scene. With ``permanent`` each still gets a public address that stays."""

    width: Annotated[int, Meta(ge=64, le=1280)] = 640
    permanent: bool = False


class SceneSnapshot(Struct, frozen=True, kw_only=True):
    """The still of one scene. ``url`` is there once it is drawn; ``public_url`` at once, where
    asked for: it answers as soon as the still is drawn."""

    saved_scene_id: UUID
    snapshot_id: UUID
    state: str
    cached: bool
    width: int
    height: int
    url: str | None
    public_url: str | None


class SceneSnapshots(Struct, frozen=True, kw_only=True):
    """Stills of all scenes of a project. ``progress`` is 0..1."""

    id: UUID
    saved_project_id: UUID
    version: int
    total: int
    done: int
    failed: int
    progress: float
    scenes: list[SceneSnapshot]
    created_at: datetime
