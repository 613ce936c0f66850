"""The keys that sign tokens: /v1/admin/signing-keys, for who runs the deployment."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from flatrender.errors import Forbidden
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import StepUpRequired
from flatrender.security.guards import requires_step_up, runs_the_deployment
from flatrender.security.principal import Principal
from flatrender_identity.errors import NextKeyTooYoung
from flatrender_identity.schemas_access import RotatedAnswer, RotateKeysBody
from flatrender_identity.services.key_rotation import KeyLine, KeyRotation


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
