"""Expected trouble in words: what a command that failed says, and its exit status.

Imported when something failed: the libraries whose errors are known here are many.
"""

import httpx
from asyncpg.exceptions import InterfaceError, PostgresError

from flatrender.cli.lazy import CommandError
from flatrender.db.migrations import MigrationError
from flatrender.demo.api import ApiError
from flatrender.demo.errors import JourneyError
from flatrender.embedded.errors import EmbeddedError
from flatrender.errors import DomainError
from flatrender.plugin import PluginError
from flatrender.settings import SettingsError
from flatrender.storage.store import StoreError
from flatrender.syslibs import SystemLibraryError

_IN_OUR_WORDS = (
    MigrationError,
    EmbeddedError,
    DomainError,
    ApiError,
    JourneyError,
    SystemLibraryError,
)


def lines_of(error: Exception) -> tuple[list[str], int]:
    """Return what to print of ``error``, a line each, and the exit status.

    1: it failed, 2: misuse. Raises ``error`` itself when nobody expected it.
    """
    if isinstance(error, (SettingsError, PluginError)):
        return error.problems, 2
    if isinstance(error, CommandError):
        return [str(error)], 2
    if isinstance(error, _IN_OUR_WORDS):
        said = str(error)
    elif isinstance(error, httpx.HTTPStatusError):
        said = f"{error.request.url.copy_with(query=None)} answered {error.response.status_code}"
    elif isinstance(error, (httpx.TransportError, httpx.InvalidURL)):
        said = f"no server answers{_place(error)}: {str(error) or type(error).__name__}"
    elif isinstance(error, (InterfaceError, PostgresError)):
        said = f"PostgreSQL: {error}; `flatrender doctor` says more"
    elif isinstance(error, StoreError):
        said = f"the object store: {error}; `flatrender doctor` says more"
    elif isinstance(error, ConnectionError):
        said = f"a server did not answer ({error}); `flatrender doctor` says which"
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        said = f"{where}{error.strerror or error}"
    else:
        raise error
    return [" ".join(said.split())], 1


def _place(error: Exception) -> str:
    """Return " at <address>" of a failed call where httpx knows it, without the query."""
    try:
        url = error.request.url if isinstance(error, httpx.RequestError) else None
    except RuntimeError:  # how httpx says that it does not know
        return ""
    return f" at {url.copy_with(query=None)}" if url is not None else ""
