"""Settings of the identity context."""

from typing import Annotated

from msgspec import Meta, Struct

from flatrender.http.settings import check_origin
from flatrender_identity.origins import host_of, is_host, within


class IdentitySettings(Struct, frozen=True, kw_only=True):
    """``FLATRENDER_IDENTITY_*``. ``deletion_grace_days``: from asking to erasing an account;
    ``signing_key_days``: how long a key signs tokens before the next one takes over.

    ``passkey_rp_id`` is the host name that passkeys are made for; empty: the host of
    ``FLATRENDER_HTTP_PUBLIC_URL``, and ``localhost`` where that is an IP address.
    ``passkey_origins`` are the pages that may ask for them; empty: those of the public URL and of
    ``FLATRENDER_HTTP_CORS_ORIGINS`` on that host and below.

    ``trusted_device_days``: how long a device that its owner trusts is not asked for the second
    factor; 0 forbids it."""

    deletion_grace_days: Annotated[int, Meta(ge=1, le=90)] = 30
    signing_key_days: Annotated[int, Meta(ge=1, le=365)] = 90
    passkey_rp_id: str = ""
    passkey_origins: list[str] = []
    trusted_device_days: Annotated[int, Meta(ge=0, le=365)] = 30

    def __post_init__(self) -> None:
        """Refuse what no browser would take: a host that is none, origins that are no origins or
        lie elsewhere; raises ``ValueError``."""
        if self.passkey_rp_id and not is_host(self.passkey_rp_id):
            raise ValueError(f"passkey_rp_id: {self.passkey_rp_id!r} is no host name")
        for origin in self.passkey_origins:
            check_origin(origin)
            if self.passkey_rp_id and not within(host_of(origin), self.passkey_rp_id):
                raise ValueError(f"passkey_origins: {origin} is not on {self.passkey_rp_id}")
