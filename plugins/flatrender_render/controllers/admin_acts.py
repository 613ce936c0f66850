"""The record of acts on the farm, for its administrators: /v1/admin/farm/acts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.http.stretches import check_stretch
from flatrender.security.guards import runs_the_deployment
from flatrender_render.controllers.jobs import aware
from flatrender_render.farm.audit import ActorKind
from flatrender_render.services.farm_acts import (
    ActFilter,
    ActName,
    FarmAct,
    FarmActService,
    TargetType,
)


class AdminActController(Controller):
    """Who did what to machines, rules, shares and fonts. Nothing here changes anything."""

    path = "/v1/admin/farm/acts"
    tags = ("render",)
    guards = (runs_the_deployment,)

    @get(
        "/", operation_id="list_farm_acts", summary="Acts on the farm",
        responses=problem_responses(),
    )  # fmt: skip
    async def acts(
        self,
        farm_acts: NamedDependency[FarmActService],
        page_params: NamedDependency[PageParams],
        act: FromQuery[ActName | None] = None,
        target_type: FromQuery[TargetType | None] = None,
        target: Annotated[str | None, QueryParameter(max_length=80)] = None,
        actor_kind: FromQuery[ActorKind | None] = None,
        actor_id: FromQuery[UUID | None] = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
    ) -> Page[FarmAct]:
        """Return acts, newest first: who, what, to what, before and after, why, from where.

        ``target`` is the id of a node, a font or a tenant, the code of a rule, or a name.
        """
        since, until = aware(since), aware(until)
        check_stretch(since=since, until=until)
        wanted = ActFilter(
            act=act,
            target_type=target_type,
            target=target,
            actor_kind=actor_kind,
            actor_id=actor_id,
            since=since,
            until=until,
        )
        return await farm_acts.acts(page_params, wanted)
