"""Requests of what staff do with people and with roles."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from flatrender.text import check_lines
from flatrender_identity.queries_people import PipelineStatus
from flatrender_identity.schemas import Password
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


class ReasonBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why."""

    reason: Reason

    def __post_init__(self) -> None:
        """Refuse what would change the log's other words."""
        check_lines(self, ("reason",))


class BanBody(ReasonBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why, as its owner will read it, and until when; without an end until somebody lifts it."""

    until: Annotated[datetime, Meta(tz=True)] | None = None


class ModeratorBody(ReasonBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether the person is a moderator from now on, and why."""

    moderator: bool


class PersonPasswordBody(ReasonBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why; and, only where the owner cannot use a link, a temporary password."""

    password: Password | None = None


class CrmBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that is noted about a customer; ``note`` is HTML."""

    tags: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=60)]],
        Meta(max_length=30, examples=[["vip", "مشتری ویژه"]]),
    ]
    note: Annotated[str, Meta(max_length=20_000, examples=["<p>Called on Monday.</p>"])]
    pipeline_status: PipelineStatus

    def __post_init__(self) -> None:
        """Refuse what would change the words beside a tag."""
        check_lines(self, ("tags",))
