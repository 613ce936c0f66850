"""The studio context's manifest: what it owns, offers and needs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from litestar.di import Provide

from flatrender.contracts import studio as contract
from flatrender.contracts.content import TemplateCatalogue
from flatrender.contracts.files import FileStore
from flatrender.plugin import FlatRenderPlugin, Manifest
from flatrender_studio.controllers.projects import SavedProjectController
from flatrender_studio.controllers.scenes import SceneController
from flatrender_studio.handlers import SUBSCRIPTIONS
from flatrender_studio.services.figures import FigureService
from flatrender_studio.services.filling import FillingService
from flatrender_studio.services.packages import PackageUses
from flatrender_studio.services.projects import ProjectService
from flatrender_studio.services.scenes import SceneService
from flatrender_studio.services.sound import SoundService
from flatrender_studio.services.source import SourceService


class StudioPlugin(FlatRenderPlugin):
    """Saved projects: the customer's own filled-in copy of a template."""

    manifest: ClassVar[Manifest] = Manifest(
        name="studio",
        schema="studio",
        summary="Saved projects: the customer's own filled-in copy of a template.",
        controllers=(SavedProjectController, SceneController),
        offers=(contract.SavedProjects, contract.ProjectPackages, contract.PersonProjects),
        needs=(TemplateCatalogue, FileStore),
        subscriptions=SUBSCRIPTIONS,
        emits=(contract.ProjectSaved, contract.ProjectDeleted),
    )

    def dependencies(self) -> dict[str, Provide]:
        """Return studio's services by the names handlers use."""
        return self.provide(
            {
                "projects": ProjectService,
                "scenes": SceneService,
                "filling": FillingService,
                "sound": SoundService,
            }
        )

    def ports(self) -> Mapping[type[Any], Any]:
        """Return the implementations of what studio offers."""
        return {
            contract.SavedProjects: self.context.get(SourceService),
            contract.ProjectPackages: self.context.get(PackageUses),
            contract.PersonProjects: self.context.get(FigureService),
        }
