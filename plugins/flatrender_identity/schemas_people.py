"""Requests of what staff do with people and with roles."""

from typing import Annotated

from msgspec import Meta, Struct

from flatrender.text import check_lines
from flatrender_identity.schemas_access import Reason


class RolePermissionsBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that the role may do from now on, and why it changes."""

    permissions: Annotated[
        list[Annotated[str, Meta(max_length=80)]],
        Meta(max_length=200, examples=[["people.read", "people.crm"]]),
    ]
    reason: Reason

    def __post_init__(self) -> None:
        """Refuse what would change the log's other words."""
        check_lines(self, ("reason",))
