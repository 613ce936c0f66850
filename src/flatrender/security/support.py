"""Support that acts in a customer's account: known in the request and in all that follows from it.

The access token names who acts (``act``, RFC 8693 section 4.1); events and tasks carry it on, so
that a mail that is sent an hour later still says so.
"""

import contextlib
from collections.abc import Iterator
from uuid import UUID

from msgspec import structs

from flatrender.http.context import current_request
from flatrender.security.principal import current_principal


def impersonator() -> UUID | None:
    """Return who of support acts here and now, None where the account's owner does."""
    principal = current_principal.get()
    if principal is not None:
        return principal.impersonator_id
    request = current_request.get()
    return request.impersonator_id if request else None


@contextlib.contextmanager
def for_anybody() -> Iterator[None]:
    """Do what waits, whoever asked for it: who woke this worker has no part in the rest, and
    neither logs nor events nor mails of it name their support."""
    request = current_request.get()
    token = current_request.set(
        structs.replace(request, impersonator_id=None) if request is not None else None
    )
    try:
        yield
    finally:
        current_request.reset(token)
