"""The node API's messages: what `flatrender node` and the server say to each other over HTTP.

Requests are signed (``X-Node-Id``, ``X-Node-Timestamp``, ``X-Node-Signature``, see
``flatrender.security.signatures``); a query parameter ``n`` that rises with every call keeps two
equal calls of one second apart, since a signature is good once. A claim is named by its frame job
and its epoch; every report carries both in its path, and an epoch that is over answers 409
``stale_epoch``.
"""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from flatrender_render.domain import Step
from flatrender_render.farm.cache import MOST_TOLD, CachedPackage
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.fonts import MOST_FACES, Face
from flatrender_render.farm.link import Failure, Part
from flatrender_render.farm.repairs import Damage
from flatrender_render.farm.reports import FinishedExport, Piece
from flatrender_render.farm.together import MOST

API = "/v1/node"
MAX_WAIT = 25.0  # seconds of a long poll; below what proxies cut
PREVIEW_LIMIT = 40_000  # characters of a data URL
REPORT_BYTES = 256 * 1024  # of what is told of a result: its proof is kept
MAX_LINKS = 400
MOST_CLAIMS = MOST  # frame jobs in one answer
PART_BYTES = 8 * 1024 * 1024  # of a resumable upload

Seconds = Annotated[float, Meta(ge=0, le=MAX_WAIT)]
Text = Annotated[str, Meta(max_length=200)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Frames = Annotated[int, Meta(ge=0, le=2**31 - 1)]
#: A browser shows it as a picture: nothing but a JPEG's bytes.
Preview = Annotated[
    str,
    Meta(pattern=r"^data:image/jpeg;base64,[A-Za-z0-9+/]+={0,2}$(?!\n)", max_length=PREVIEW_LIMIT),
]
MediaType = Annotated[str, Meta(max_length=200, pattern=r"^[a-z0-9.+-]+/[a-z0-9.+-]+$(?!\n)")]
Packages = Annotated[list[CachedPackage], Meta(max_length=MOST_TOLD)]
Key = Annotated[str, Meta(min_length=1, max_length=500)]


class Hello(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a node is and can do; sent when it starts. Sizes in bytes."""

    boot_id: UUID
    agent_version: Text
    hostname: Text
    os: Text
    arch: Text
    cpu_cores: Annotated[int, Meta(ge=1, le=4096)]
    memory_bytes: Count
    disk_total_bytes: Count
    disk_free_bytes: Count
    slots: Annotated[int, Meta(ge=1, le=512)]
    engines: Annotated[dict[Text, Text], Meta(max_length=20)]
    region: Text = ""
    packages: Packages = []
    faces: Annotated[list[Face], Meta(max_length=MOST_FACES)] = []


class Welcome(Struct, frozen=True, kw_only=True):
    """What the farm expects of the node. Times in seconds."""

    name: str
    heartbeat_seconds: float
    lease_seconds: float
    cache_budget_bytes: int
    bandwidth_limit_bps: int | None


class Pulse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a node is, every few seconds. ``packages``: all that lie there, None: as told before."""

    busy_slots: Annotated[int, Meta(ge=0, le=512)]
    disk_free_bytes: Count
    disk_total_bytes: Count = 0
    memory_used_bytes: Count = 0
    load_average: float | None = None
    draining: bool = False
    packages: Packages | None = None


class Command(Struct, frozen=True, kw_only=True):
    """An act that the farm asks of the node."""

    id: UUID
    act: str
    arguments: dict[str, Any]


class PulseAnswer(Struct, frozen=True, kw_only=True):
    """What the farm answers to a pulse: the node's status and what it should do."""

    status: str
    commands: list[Command]


class CommandResult(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an act went."""

    done: bool
    result: dict[str, Any] = {}


class Ask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a frame job of one of these engines; wait for one up to ``wait`` seconds."""

    engines: Annotated[list[Text], Meta(min_length=1, max_length=20)]
    wait: Seconds = 0.0


class AskMany(Ask, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As ``Ask``, for several free slots: up to ``most`` frame jobs in one answer."""

    most: Annotated[int, Meta(ge=1, le=MOST_CLAIMS)]


class Claims(Struct, frozen=True, kw_only=True):
    """Frame jobs for a node's free slots; each has an epoch and a lease of its own."""

    claims: list[Claim]


class Beat(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prolong the lease of a claim."""

    frames: Frames
    preview: Preview | None = None


class Enter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The job entered a step of its assembly."""

    step: Step


class Completed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proven piece."""

    piece: Piece
    preview: Preview | None = None


class Finished(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The proven video."""

    export: FinishedExport


class Failed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A failed attempt."""

    failure: Failure


class DamageFound(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pieces that are not whole any more."""

    damages: Annotated[list[Damage], Meta(min_length=1, max_length=1000)]
    reason: Annotated[str, Meta(max_length=4000)]


class Parts(Struct, frozen=True, kw_only=True):
    """The proven pieces of a job."""

    parts: list[Part]


class Links(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for presigned links: objects to read, objects to write."""

    get: Annotated[list[Key], Meta(max_length=MAX_LINKS)] = []
    put: Annotated[list[Key], Meta(max_length=20)] = []


class PresignedLinks(Struct, frozen=True, kw_only=True):
    """Links by key; good for a quarter of an hour."""

    get: dict[str, str]
    put: dict[str, str]


class UploadStart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Begin an upload in parts, which goes on where it was cut off."""

    key: Key
    size: Annotated[int, Meta(gt=0, le=50 * 2**30)]
    content_type: MediaType = "application/octet-stream"


class UploadParts(Struct, frozen=True, kw_only=True):
    """Where each part goes; parts are ``part_bytes`` long but for the last."""

    upload_id: str
    part_bytes: int
    urls: list[str]


class UploadEnd(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put the parts together; ``etags`` in order."""

    key: Key
    upload_id: Annotated[str, Meta(max_length=500)]
    etags: Annotated[list[Text], Meta(min_length=1, max_length=10_000)]


class Stored(Struct, frozen=True, kw_only=True):
    """The object is there."""

    etag: str
