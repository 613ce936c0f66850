"""Templates as an administrator keeps them: words, taxonomy, sharing, scenes, removal.

Owns the rule that what was edited by hand is named in ``manual_fields`` and no import overwrites
it. Only a tenant's own templates.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from flatrender.clock import uuid7
from flatrender.contracts.content import TemplateUnpublished
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender_content.errors import SlugTaken
from flatrender_content.models import ProjectContainer, Scene
from flatrender_content.queries import admin
from flatrender_content.scan_schemas import DraftBody
from flatrender_content.schemas import (
    AdminTemplate,
    SceneChange,
    SharingBody,
    TemplateChange,
    columns_of,
)

# Columns that no import writes need no protection from one.
_NEVER_IMPORTED = frozenset({"slug", "min_plan_tier", "position"})
_MISSING = """
SELECT wanted FROM unnest(CAST(:ids AS uuid[])) AS wanted
WHERE NOT EXISTS (SELECT FROM content.{} t WHERE t.id = wanted AND t.deleted_at IS NULL)
"""
_MISSING_CATEGORIES = _MISSING.format("categories")
_MISSING_TAGS = _MISSING.format("tags")
_CREATE = """
INSERT INTO content.project_containers (id, tenant_id, slug, name_fa, name_en, description_fa,
       description_en, mode, direction, engine, created_by)
VALUES (:id, :tenant, :slug, :name_fa, :name_en, :description_fa, :description_en, :mode,
        :direction, 'aerender', :by)
"""
_UNSHARE = """
DELETE FROM content.container_shares
WHERE tenant_id = :tenant AND container_id = :id AND shared_with <> ALL (CAST(:keep AS uuid[]))
"""
_SHARE = """
INSERT INTO content.container_shares (tenant_id, container_id, shared_with, created_by)
SELECT :tenant, :id, chosen, :by FROM unnest(CAST(:keep AS uuid[])) AS chosen
ON CONFLICT DO NOTHING
"""


class CurationService:
    """Use cases of administrators."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def templates(
        self, tenant_id: UUID, page: PageParams, *, published: bool | None, q: str | None
    ) -> Page[AdminTemplate]:
        """Return one page of a tenant's own templates, drafts included."""
        return await admin.templates(self._db.reads, tenant_id, page, published=published, q=q)

    async def template(self, tenant_id: UUID, template_id: UUID) -> AdminTemplate:
        """Return one of a tenant's own templates. Raises ``NotFound``."""
        page = await admin.templates(
            self._db.reads, tenant_id, PageParams(), template_id=template_id
        )
        if not page.data:
            raise NotFound()
        return page.data[0]

    async def create(self, tenant_id: UUID, draft: DraftBody, *, by: UUID | None) -> UUID:
        """Make an empty After Effects template and return its id. Raises :class:`SlugTaken`."""
        made = uuid7()
        try:
            async with self._db.unit_of_work(tenant_id) as work:
                values = columns_of(draft) | {"id": made, "tenant": tenant_id, "by": by}
                await work.execute(_CREATE, **values)
        except IntegrityError as error:
            if "project_containers_slug" in str(error.orig):
                raise SlugTaken() from error
            raise
        return made

    async def change(self, tenant_id: UUID, template_id: UUID, change: TemplateChange) -> None:
        """Change a template by hand.

        Raises ``NotFound``, :class:`SlugTaken`, ``Invalid`` for an unknown category or tag.
        """
        values = columns_of(change)
        try:
            async with self._db.unit_of_work(tenant_id) as work:
                row = await _template(work, template_id)
                if category := values.get("category_id"):
                    await _check_known(work, _MISSING_CATEGORIES, [category], "/category_id")
                if tags := values.get("tag_ids"):
                    await _check_known(work, _MISSING_TAGS, tags, "/tag_ids")
                _assign(row, values)
        except IntegrityError as error:
            if "project_containers_slug" in str(error.orig):
                raise SlugTaken() from error
            raise

    async def change_scene(
        self, tenant_id: UUID, template_id: UUID, scene_id: UUID, change: SceneChange
    ) -> None:
        """Change a scene by hand. Raises ``NotFound``; ``Invalid`` for durations out of order."""
        async with self._db.unit_of_work(tenant_id) as work:
            row: Scene | None = await work.session.scalar(
                select(Scene)
                .where(
                    Scene.tenant_id == tenant_id,
                    Scene.container_id == template_id,
                    Scene.id == scene_id,
                    Scene.deleted_at.is_(None),
                )
                .with_for_update()
            )
            if row is None:
                raise NotFound()
            _assign(row, columns_of(change))
            if not row.min_duration <= row.duration <= row.max_duration:
                raise Invalid(
                    errors=[_error("/duration", "out_of_range", "min_duration..max_duration")]
                )

    async def share(
        self, tenant_id: UUID, template_id: UUID, body: SharingBody, *, by: UUID | None
    ) -> None:
        """Choose who else sees a template. Raises ``NotFound``, ``Invalid``."""
        if tenant_id != DEFAULT_TENANT_ID and body.sharing != "none":
            raise Invalid(errors=[_error("/sharing", "not_allowed", "own templates stay own")])
        chosen = body.tenant_ids if body.sharing == "chosen" else []
        async with self._db.unit_of_work(tenant_id) as work:
            row = await _template(work, template_id)
            row.sharing = body.sharing
            await work.session.flush()
            keys = {"tenant": tenant_id, "id": template_id, "keep": chosen}
            await work.execute(_UNSHARE, **keys)
            await work.execute(_SHARE, by=by, **keys)

    async def remove(self, tenant_id: UUID, template_id: UUID) -> None:
        """Remove a template; its slug is free again, saved projects keep working.

        Raises ``NotFound``.
        """
        async with self._db.unit_of_work(tenant_id) as work:
            row = await _template(work, template_id)
            if row.published_at is not None:
                work.emit(TemplateUnpublished(container_id=row.id, slug=row.slug))
            row.published_at = None
            row.deleted_at = func.now()


async def _template(work: UnitOfWork, template_id: UUID) -> ProjectContainer:
    row: ProjectContainer | None = await work.session.scalar(
        select(ProjectContainer)
        .where(
            ProjectContainer.tenant_id == work.tenant,
            ProjectContainer.id == template_id,
            ProjectContainer.deleted_at.is_(None),
        )
        .with_for_update()
    )
    if row is None:
        raise NotFound()
    return row


def _assign(row: ProjectContainer | Scene, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    edited = set(values) - _NEVER_IMPORTED
    row.manual_fields = sorted({*row.manual_fields, *edited})


async def _check_known(work: UnitOfWork, sql: str, ids: Sequence[UUID], pointer: str) -> None:
    missing = (await work.execute(sql, ids=list(ids))).all()
    if missing:
        raise Invalid(errors=[_error(pointer, "unknown", str(missing[0][0]))])


def _error(pointer: str, code: str, what: str) -> FieldError:
    words = {
        "unknown": ("{} پیدا نشد", "There is no {}"),
        "out_of_range": ("باید در {} باشد", "Must lie in {}"),
        "not_allowed": ("مجاز نیست: {}", "Not allowed: {}"),
    }
    fa, en = words[code]
    return FieldError(
        pointer=pointer, code=code, message_fa=fa.format(what), message_en=en.format(what)
    )
