"""Permanent addresses that lead to presigned links."""

from litestar.response import Redirect

# Shorter than a link lives, so that a browser's remembered redirect never leads to a dead one.
_SECONDS = 300


def to_object(link: str) -> Redirect:
    """Return a redirect that the caller, and nobody in between, may keep for a while."""
    headers = {"cache-control": f"private, max-age={_SECONDS}"}
    return Redirect(link, status_code=302, headers=headers)
