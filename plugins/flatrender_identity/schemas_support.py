"""Requests and answers of support in a customer's account."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from flatrender.text import check_lines
from flatrender_identity.schemas_access import Reason


class ImpersonateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why; the owner reads it."""

    reason: Reason

    def __post_init__(self) -> None:
        """Refuse what would change the words beside it."""
        check_lines(self, ("reason",))


class SupportTokens(Struct, frozen=True, kw_only=True):
    """Tokens of a session in a customer's account, lives in seconds. The access token names who
    acts (``act``); the refresh token renews it for an hour at most."""

    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int
    session_id: UUID
    user_id: UUID
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme's name
