"""Settings of the identity context."""

from typing import Annotated

from msgspec import Meta, Struct


class IdentitySettings(Struct, frozen=True, kw_only=True):
    """``FLATRENDER_IDENTITY_*``. ``deletion_grace_days``: from asking to erasing an account;
    ``signing_key_days``: how long a key signs tokens before the next one takes over."""

    deletion_grace_days: Annotated[int, Meta(ge=1, le=90)] = 30
    signing_key_days: Annotated[int, Meta(ge=1, le=365)] = 90
