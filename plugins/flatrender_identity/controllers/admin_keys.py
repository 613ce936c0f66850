"""The keys that sign tokens: /v1/admin/signing-keys, for who runs the deployment."""

from typing import Any

from litestar import Controller, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from flatrender.errors import Forbidden
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import StepUpRequired, WrongCredential
from flatrender.security.guards import principal_of, requires_role, requires_step_up
from flatrender.security.principal import DEFAULT_TENANT_ID, Principal
from flatrender_identity.errors import NextKeyTooYoung
from flatrender_identity.schemas_access import RotatedAnswer, RotateKeysBody
from flatrender_identity.services.key_rotation import KeyLine, KeyRotation

_admin = requires_role("admin")


def runs_the_deployment(
    connection: "ASGIConnection[Any, Any, Any, Any]", handler: BaseRouteHandler
) -> None:
    """Let administrators of the default tenant pass: the keys sign for every tenant, so an
    administrator of one of them has no say."""
    _admin(connection, handler)
    if principal_of(connection).tenant_id != DEFAULT_TENANT_ID:
        raise WrongCredential()


class SigningKeyController(Controller):
    """The deployment's signing keys."""

    path = "/v1/admin/signing-keys"
    tags = ("identity",)
    guards = (runs_the_deployment,)

    @get(
        "/",
        operation_id="list_signing_keys",
        summary="Keys that sign tokens",
        responses=problem_responses(Forbidden),
    )
    async def keys(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        rotation: NamedDependency[KeyRotation],
    ) -> Page[KeyLine]:
        """Return next, current, previous and retired keys, the newest first."""
        return await rotation.page(page_params)

    @post(
        "/rotate",
        status_code=200,
        operation_id="rotate_signing_keys",
        summary="Let the next key sign",
        opt={"idempotent": True},
        guards=[requires_step_up()],
        responses=problem_responses(Forbidden, StepUpRequired, NextKeyTooYoung),
    )
    async def rotate(
        self,
        data: JSONBody[RotateKeysBody],
        principal: NamedDependency[Principal],
        rotation: NamedDependency[KeyRotation],
    ) -> RotatedAnswer:
        """Rotate now; nobody is logged out. `withdraw_old` takes every key of before out of use,
        for keys that others may hold: their tokens are refused within a minute and clients renew.
        Wants a second factor of the last 15 minutes and a reason, which the audit log keeps."""
        kid = await rotation.rotate(principal, reason=data.reason, withdraw=data.withdraw_old)
        return RotatedAnswer(kid=kid)
