"""Devices that the caller trusts: /v1/me/mfa/trusted-devices."""

from uuid import UUID

from litestar import Controller, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.guards import owner_changes, requires_user
from flatrender.security.principal import Principal
from flatrender_identity.controllers.me import own_id
from flatrender_identity.services.trusted_devices import TrustedDeviceService, TrustedLine


class MyTrustedDeviceController(Controller):
    """Where the caller is not asked for the second factor."""

    path = "/v1/me/mfa/trusted-devices"
    tags = ("identity",)
    guards = (requires_user, owner_changes)

    @get(
        "/",
        operation_id="list_my_trusted_devices",
        summary="Devices I trust",
        opt={"mfa": "exempt"},
    )
    async def read(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        trusted_devices: NamedDependency[TrustedDeviceService],
    ) -> Page[TrustedLine]:
        """Return the devices on which no second factor is asked for, the latest first."""
        return await trusted_devices.page(principal.tenant_id, own_id(principal), page_params)

    @delete(
        "/{device_id:uuid}",
        operation_id="end_device_trust",
        summary="Trust a device no more",
        opt={"mfa": "exempt"},
        responses=problem_responses(NotFound),
    )
    async def end(
        self,
        device_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        trusted_devices: NamedDependency[TrustedDeviceService],
    ) -> None:
        """Ask for the second factor there again at the next sign-in."""
        await trusted_devices.revoke(principal, device_id)

    @delete(
        "/",
        operation_id="end_all_device_trust",
        summary="Trust no device",
        opt={"mfa": "exempt"},
    )
    async def end_all(
        self,
        principal: NamedDependency[Principal],
        trusted_devices: NamedDependency[TrustedDeviceService],
    ) -> None:
        """Ask for the second factor everywhere again at the next sign-in."""
        await trusted_devices.revoke(principal, None)
