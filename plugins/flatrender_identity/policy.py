"""A tenant's own rules of signing in: what it may tighten of the deployment's. Pure.

Stored in ``identity.tenants.policy``; what is absent there is as the deployment says, and a value
that is looser than the deployment's counts as the deployment's.
"""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from flatrender.errors import FieldInvalid
from flatrender_identity.addresses import Address
from flatrender_identity.domain import normalise_email

_MINUTE = 60
_DAY = 86_400


class TenantPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rules of one tenant; None leaves the deployment's. Times are seconds.

    ``session_idle_seconds``: a session ends when its tokens were not renewed for so long.
    ``session_lifetime_seconds``: a session ends then, however used.
    ``single_session``: signing in ends the account's other sessions.
    ``require_mfa``: without a second factor a session may do nothing but set one up.
    ``password_min_length``: for everybody, with and without a second factor.
    ``allowed_email_domains``: who may register and be invited; empty: everybody.
    ``link_page``: the frontend's page that links in mails open, the token in its fragment.
    ``passkey_rp_id``: the tenant's own host name that its people's passkeys are made for; passkeys
    of another host no longer work then. ``passkey_origins``: its pages that may ask for them.
    ``trusted_device_days``: for how long people may trust a device; 0: not at all.
    """

    session_idle_seconds: Annotated[int, Meta(ge=5 * _MINUTE, le=90 * _DAY)] | None = None
    session_lifetime_seconds: Annotated[int, Meta(ge=15 * _MINUTE, le=365 * _DAY)] | None = None
    single_session: bool = False
    require_mfa: bool = False
    password_min_length: Annotated[int, Meta(ge=8, le=64)] | None = None
    allowed_email_domains: Annotated[
        list[Annotated[str, Meta(min_length=3, max_length=253)]], Meta(max_length=100)
    ] = []
    link_page: Annotated[str, Meta(max_length=500)] | None = None
    trusted_device_days: Annotated[int, Meta(ge=0, le=365)] | None = None
    passkey_rp_id: Annotated[str, Meta(max_length=253)] | None = None
    passkey_origins: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(max_length=20)] = []

    def __post_init__(self) -> None:
        """Refuse a domain that is none."""
        for number, domain in enumerate(self.allowed_email_domains):
            if normalise_email(f"a@{domain}") is None:
                raise FieldInvalid(
                    "domain_invalid",
                    fa="نام دامنه درست نیست",
                    en="This is not a domain name",
                    at=f"allowed_email_domains/{number}",
                )

    def idle(self, deployment: timedelta) -> timedelta:
        """Return how long a session lives unused."""
        return _tighter(self.session_idle_seconds, deployment)

    def lifetime(self, deployment: timedelta) -> timedelta:
        """Return how long a session lives at most."""
        return _tighter(self.session_lifetime_seconds, deployment)

    def takes(self, address: Address) -> bool:
        """True when an account may have this address."""
        if address.kind != "Email" or not self.allowed_email_domains:
            return True
        domain = address.value.rpartition("@")[2]
        own = {
            str(normalise_email(f"a@{name}")).rpartition("@")[2]
            for name in self.allowed_email_domains
        }
        return domain in own


def _tighter(seconds: int | None, deployment: timedelta) -> timedelta:
    return deployment if seconds is None else min(deployment, timedelta(seconds=seconds))


def read_policy(stored: Any) -> TenantPolicy:
    """Return the rules that a stored ``policy`` holds; other keys in it are others' business."""
    names = set(TenantPolicy.__struct_fields__)
    own = {key: value for key, value in dict(stored or {}).items() if key in names}
    return msgspec.convert(own, TenantPolicy)
