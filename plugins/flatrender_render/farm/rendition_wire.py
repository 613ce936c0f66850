"""The messages of renditions between `flatrender node` and the server; see ``wire``.

A rendition is named by its id and its epoch; both stand in the path of every report, and an epoch
that is over answers 409 ``stale_epoch``.
"""

from typing import Annotated

from msgspec import Meta, Struct

from flatrender_render.farm.cache import Digest
from flatrender_render.farm.wire import API, Seconds
from flatrender_render.media.transcode import Format, Transcoded

RENDITIONS = f"{API}/renditions"


class RenditionAsk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a rendition into one of these formats; wait for one up to ``wait`` seconds."""

    formats: Annotated[list[Format], Meta(min_length=1, max_length=20)]
    wait: Seconds = 0.0


class RenditionBeat(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prolong the lease; ``progress`` is how far the work is."""

    progress: Annotated[float, Meta(ge=0, le=1)]


class RenditionMade(Transcoded, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proven result that lies in the store, made in so many ``seconds``."""

    sha256: Digest
    seconds: Annotated[float, Meta(ge=0, le=1e7)]
