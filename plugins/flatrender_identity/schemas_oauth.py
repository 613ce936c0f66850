"""Requests and answers of signing in with a provider."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from flatrender.text import check_lines
from flatrender_identity.schemas import Password, SessionMode
from flatrender_identity.schemas_access import LinkToken, Reason
from flatrender_identity.services.oauth_providers import Driver

Url = Annotated[str, Meta(min_length=1, max_length=500)]
Name = Annotated[str, Meta(max_length=80)]


class ProviderOffer(Struct, frozen=True, kw_only=True):
    """A provider to sign in with: send the browser to ``start_url``."""

    provider: str
    name_fa: str
    name_en: str
    icon: str | None
    start_url: str


class RedeemBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The code that came in the fragment. ``device`` is a name for the list of sessions."""

    code: LinkToken
    device: Annotated[str, Meta(max_length=120)] | None = None
    trusted_device_token: Annotated[str, Meta(max_length=100)] | None = None
    mode: SessionMode = "token"

    def __post_init__(self) -> None:
        """Refuse what would change the words beside it."""
        check_lines(self, ("device",))


class BeginLinkBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which provider to link, the page to return to, and ``current_password`` where there is one
    and no second factor."""

    provider: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,40}$", examples=["google"])]
    return_to: Url | None = None
    current_password: Password | None = None


class BegunLink(Struct, frozen=True):
    """Where to send the browser within a minute."""

    start_url: str


class LinkCodeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The ``link_code`` that came in the fragment."""

    code: LinkToken


class ProviderBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A provider as it shall be. ``client_secret``: absent, empty or its mask keeps it. ``google``
    knows its issuer itself; ``discovery_url`` only where it is not below the issuer. ``telegram``:
    ``client_id`` is the bot's user name, the secret its token, ``discovery_url`` another address
    of the Bot API where Telegram's own cannot be reached."""

    driver: Driver = "oidc"
    name_fa: Name = ""
    name_en: Name = ""
    client_id: Annotated[str, Meta(max_length=300)] = ""
    client_secret: Annotated[str, Meta(max_length=1000)] | None = None
    issuer: Url | None = None
    discovery_url: Url | None = None
    scopes: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=30)] = field(
        default_factory=lambda: ["openid", "email", "profile"]
    )
    return_urls: Annotated[list[Url], Meta(max_length=50)] = []
    allow_signup: bool = True
    link_by_email: bool = True
    icon: Annotated[str, Meta(max_length=200)] | None = None
    position: Annotated[int, Meta(ge=0, le=1000)] = 0
    enabled: bool = False
    reason: Reason

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("name_fa", "name_en", "client_id", "icon", "reason"))


class ProviderAnswer(Struct, frozen=True, kw_only=True):
    """A provider as set up. ``redirect_uri`` is what to register there; ``client_secret`` is a
    mask."""

    provider: str
    driver: str
    name_fa: str
    name_en: str
    client_id: str
    client_secret: str
    redirect_uri: str
    issuer: str | None
    discovery_url: str | None
    scopes: list[str]
    return_urls: list[str]
    allow_signup: bool
    link_by_email: bool
    icon: str | None
    position: int
    enabled: bool
    tested_at: datetime | None
    test_result: dict[str, Any] | None
    updated_at: datetime
