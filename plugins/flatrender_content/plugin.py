"""The content context's manifest: what it owns, offers and needs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from litestar.di import Provide

from flatrender.contracts import content as contract
from flatrender.contracts.files import FileStore
from flatrender.contracts.render import RenderPackages, ScanJobs, TemplateInspector
from flatrender.contracts.studio import ProjectPackages
from flatrender.plugin import FlatRenderPlugin, Manifest
from flatrender_content.controllers.admin_music import AdminMusicController
from flatrender_content.controllers.admin_scans import AdminScanController
from flatrender_content.controllers.admin_taxonomy import (
    AdminCategoryController,
    AdminFontController,
    AdminTagController,
)
from flatrender_content.controllers.admin_templates import AdminTemplateController
from flatrender_content.controllers.fonts import FontController
from flatrender_content.controllers.music import MusicController
from flatrender_content.controllers.taxonomy import CategoryController, TagController
from flatrender_content.controllers.templates import SceneController, TemplateController
from flatrender_content.handlers import SUBSCRIPTIONS
from flatrender_content.services import unused
from flatrender_content.services.curation import CurationService
from flatrender_content.services.fonts import FontService
from flatrender_content.services.importer import ImportService
from flatrender_content.services.library import LibraryService
from flatrender_content.services.publishing import PublishingService
from flatrender_content.services.scans import TemplateScanService
from flatrender_content.services.taxonomy import TaxonomyService
from flatrender_content.services.tracks import TrackService
from flatrender_content.tasks import TASKS


class ContentPlugin(FlatRenderPlugin):
    """Templates, their scenes and palettes, fonts, music and categories."""

    manifest: ClassVar[Manifest] = Manifest(
        name="content",
        schema="content",
        summary="Templates, their scenes and palettes, fonts, music and categories.",
        controllers=(
            TemplateController,
            SceneController,
            CategoryController,
            TagController,
            FontController,
            MusicController,
            AdminTemplateController,
            AdminScanController,
            AdminCategoryController,
            AdminTagController,
            AdminFontController,
            AdminMusicController,
        ),
        tasks=(*TASKS, unused.COLLECT),
        schedules=unused.SCHEDULES,
        subscriptions=SUBSCRIPTIONS,
        offers=(contract.TemplateCatalogue,),
        needs=(TemplateInspector, ScanJobs, FileStore, ProjectPackages, RenderPackages),
        emits=(
            contract.TemplatePublished,
            contract.TemplateUnpublished,
            contract.FontInstalled,
        ),
    )

    def dependencies(self) -> dict[str, Provide]:
        """Return content's services by the names handlers use."""
        return self.provide(
            {
                "catalogue": LibraryService,
                "imports": ImportService,
                "publishing": PublishingService,
                "curation": CurationService,
                "taxonomy": TaxonomyService,
                "font_library": FontService,
                "tracks": TrackService,
                "scans": TemplateScanService,
            }
        )

    def ports(self) -> Mapping[type[Any], Any]:
        """Return the implementations of what content offers."""
        return {contract.TemplateCatalogue: self.context.get(LibraryService)}
