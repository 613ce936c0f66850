"""Studio's published language: the customer's filled-in copy, frozen for rendering."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

from msgspec import Struct

from flatrender.contracts.content import PackagesInUse, TemplateNeeds
from flatrender.errors import FieldError
from flatrender.events.envelope import Event
from flatrender.template.composition import Composition, SlotValue


class StudioEvent(Event, frozen=True, kw_only=True):
    """Base of studio's events."""

    producer: ClassVar[str] = "studio"


class ProjectSaved(StudioEvent, frozen=True, kw_only=True):
    """A saved project was created or changed."""

    event_type: ClassVar[str] = "studio.project.saved.v1"
    saved_project_id: UUID
    user_id: UUID
    container_id: UUID
    version: int
    created: bool


class ProjectDeleted(StudioEvent, frozen=True, kw_only=True):
    """A saved project went to the trash."""

    event_type: ClassVar[str] = "studio.project.deleted.v1"
    saved_project_id: UUID
    user_id: UUID


class RenderSource(Struct, frozen=True, kw_only=True):
    """Everything a render needs, as it stood at one version of the saved project."""

    saved_project_id: UUID
    version: int
    name: str
    container_id: UUID
    mode: str
    engine: str
    package_object_key: str
    package_sha256: str
    composition: Composition
    has_voiceover: bool
    needs: TemplateNeeds = TemplateNeeds()


class SlotColumn(Struct, frozen=True, kw_only=True):
    """A slot as a column of a table: ``name`` is the shortest that means it."""

    name: str
    scene_id: UUID
    scene_name_fa: str
    scene_name_en: str
    key: str
    type: str
    name_fa: str
    name_en: str
    required: bool
    value: str


class RowFilling(Struct, frozen=True, kw_only=True):
    """One row of a table over a project: values by scene and slot, or why it is refused.

    Pointers of ``errors`` are ``/rows/<index from 0>/<column>``.
    """

    values: dict[str, dict[str, SlotValue]]
    errors: list[FieldError]


class FilledRows(Struct, frozen=True, kw_only=True):
    """A project frozen once, and what each row changes in it. ``errors`` are about columns."""

    source: RenderSource
    rows: list[RowFilling]
    errors: list[FieldError]


class ProjectFigures(Struct, frozen=True, kw_only=True):
    """A person's saved projects in numbers."""

    projects: int
    in_trash: int
    last_edited_at: datetime | None


class PersonProjects(Protocol):
    """What a person has made, for who looks at the person."""

    async def figures(self, tenant_id: UUID, user_id: UUID) -> ProjectFigures:
        """Return the numbers of this user's projects; one query."""
        ...


class SavedProjects(Protocol):
    """Reads of saved projects, scoped to tenant and owner."""

    async def render_source(
        self, tenant_id: UUID, user_id: UUID, saved_project_id: UUID, *, complete: bool = True
    ) -> RenderSource | None:
        """Freeze the project, or None when it is not this user's.

        With ``complete`` False (previews while somebody still edits) missing values show as the
        template has them. Raises ``DomainError`` 422 ``project_incomplete`` with a pointer per
        slot when a required value is missing or no longer valid.
        """
        ...

    async def version(self, tenant_id: UUID, user_id: UUID, saved_project_id: UUID) -> int | None:
        """Return the version of a project, which every change raises; None when it is not this
        user's."""
        ...

    async def columns(
        self, tenant_id: UUID, user_id: UUID, saved_project_id: UUID
    ) -> list[SlotColumn] | None:
        """Return the slots of a project as columns, or None when it is not this user's."""
        ...

    async def fill_rows(
        self,
        tenant_id: UUID,
        user_id: UUID,
        saved_project_id: UUID,
        rows: Sequence[Mapping[str, object]],
    ) -> FilledRows | None:
        """Lay rows (column -> cell) over a project without changing it; None when it is not this
        user's. An empty cell leaves the project's own value."""
        ...


class ProjectPackages(PackagesInUse, Protocol):
    """Packages that saved projects are made of, those in the trash as well."""
