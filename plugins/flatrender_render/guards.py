"""Who may do what in the farm."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from flatrender.security.errors import WrongCredential
from flatrender.security.guards import principal_of, requires_role
from flatrender.security.principal import DEFAULT_TENANT_ID

_admin = requires_role("admin")


def runs_the_farm(
    connection: "ASGIConnection[Any, Any, Any, Any]", handler: BaseRouteHandler
) -> None:
    """Let administrators of the default tenant pass: the machines serve every tenant, so an
    administrator of one of them has no say."""
    _admin(connection, handler)
    if principal_of(connection).tenant_id != DEFAULT_TENANT_ID:
        raise WrongCredential()
