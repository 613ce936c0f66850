"""Support that acts in a customer's account: known in the request and in all that follows from it.

The access token names who acts (``act``, RFC 8693 section 4.1); events and tasks carry it on, so
that a mail that is sent an hour later still says so.
"""

from uuid import UUID

from flatrender.http.context import current_request
from flatrender.security.principal import current_principal


def impersonator() -> UUID | None:
    """Return who of support acts here and now, None where the account's owner does."""
    principal = current_principal.get()
    if principal is not None:
        return principal.impersonator_id
    request = current_request.get()
    return request.impersonator_id if request else None
