"""The seam between a node and the farm: what a node asks and reports, and how it moves files.

A worker of the pool answers through ``local`` (SQL and the store); a machine outside through
``remote`` (HTTP and presigned links). The runner knows only these protocols, so both kinds of
node do the same work in the same way. Nothing here does anything.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

from msgspec import Meta, Struct

from flatrender_render.domain import Step
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.fence import Returning
from flatrender_render.farm.repairs import Damage
from flatrender_render.farm.reports import Count, FinishedExport, Piece

C_contra = TypeVar("C_contra", contravariant=True)


class Part(Struct, frozen=True, kw_only=True):
    """A proven piece that the assembly joins; ``bytes`` is its size.

    ``outside``: by a machine whose proof is its own word, to be proven again by who joins it.
    """

    kind: str
    index: int
    object_key: str
    sha256: str
    packets: int
    bytes: int
    frames: int
    outside: bool = False


#: Customers read it, and rules match it by its beginning.
Code = Annotated[str, Meta(max_length=100, pattern=r"^[a-z0-9_.-]+$(?!\n)")]
ExitCode = Annotated[int, Meta(ge=-(2**31), le=2**32 - 1)]  # Windows counts without a sign


class Failure(Struct, frozen=True, kw_only=True):
    """Why an attempt failed, as the node saw it; the farm decides what follows.

    ``defect`` and ``frames`` come from a failed proof: which fault, and in which frames.
    ``exit_code`` is the status of the program that the engine drove, where it drives one.
    """

    code: Code
    message: Annotated[str, Meta(max_length=8000)]
    defect: Annotated[str, Meta(max_length=60)] = ""
    frames: Annotated[list[Count], Meta(max_length=200_000)] = []
    exit_code: ExitCode | None = None


class Files(Protocol):
    """Moves objects of one claim between the store and local files."""

    async def download(self, key: str, target: Path, *, most: int | None = None) -> None:
        """Write an object to ``target``, its bytes as they lie. Raises ``ObjectMissing``,
        ``ObjectTooLong`` beyond ``most`` bytes, or ``StoreError``."""
        ...

    async def put(
        self, key: str, data: bytes | Path, *, content_type: str = "application/octet-stream"
    ) -> str:
        """Store bytes or a file; returns the store's etag. Raises ``StoreError``."""
        ...


class Reporting(Returning[C_contra], Protocol[C_contra]):
    """What links of every kind of claim can say of an attempt that came to nothing."""

    async def fail(self, claim: C_contra, failure: Failure) -> None:
        """Report a failed attempt; the farm's rules decide what follows. Raises ``StaleEpoch``."""
        ...


class FarmLink(Protocol):
    """What a node says to the farm. Every report is fenced: ``StaleEpoch`` means stop."""

    async def claim(self, engine: str) -> Claim | None:
        """Take the next frame job of ``engine``, or ``None``."""
        ...

    def files(self, claim: Claim) -> Files:
        """Return the way to the objects of a claim."""
        ...

    async def begin(self, claim: Claim) -> None:
        """Say that work on a claim begins."""
        ...

    async def beat(self, claim: Claim, frames: int, preview: str | None) -> None:
        """Prolong the lease, with the frames done and perhaps a small picture.

        Raises ``StaleEpoch``; any other error means that the farm did not hear it.
        """
        ...

    async def enter(self, claim: Claim, step: Step) -> None:
        """Say that the job entered a step of its assembly. Raises ``StaleEpoch``."""
        ...

    async def parts(self, claim: Claim) -> list[Part]:
        """Return the proven pieces of the claim's job in order. Raises ``StaleEpoch``."""
        ...

    async def complete(self, claim: Claim, piece: Piece, preview: str | None) -> None:
        """Report a proven piece, with the last small picture. Raises ``StaleEpoch``."""
        ...

    async def finish(self, claim: Claim, export: FinishedExport) -> None:
        """Report the proven video. Raises ``StaleEpoch``."""
        ...

    async def fail(self, claim: Claim, failure: Failure) -> None:
        """Report a failed attempt. Raises ``StaleEpoch``."""
        ...

    async def damaged(self, claim: Claim, damages: Sequence[Damage], reason: str) -> None:
        """Report pieces that are not whole any more; they are made again. Raises ``StaleEpoch``."""
        ...

    async def late(self, claim: Claim) -> None:
        """Note that work of an attempt that is over was thrown away."""
        ...

    async def give_back(self, claim: Claim) -> None:
        """Return a claim unharmed: this node stops."""
        ...
