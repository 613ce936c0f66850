"""Where the embedded servers listen and how to enter: frozen values, no behaviour beyond URLs.

Every secret is kept out of ``repr`` so that a logged value tells nothing.
"""

from dataclasses import dataclass, field
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class PostgresEndpoint:
    """A PostgreSQL server and its superuser."""

    host: str
    port: int
    superuser: str
    password: str = field(repr=False)

    def dsn(
        self, database: str = "postgres", *, user: str | None = None, password: str | None = None
    ) -> str:
        """Return a libpq URI for ``database``, as the superuser unless ``user`` is given.

        ``password`` belongs to ``user``; it is left out of the URI when ``user`` comes alone.
        """
        name, secret = (self.superuser, self.password) if user is None else (user, password)
        credentials = quote(name, safe="") + (f":{quote(secret, safe='')}" if secret else "")
        return f"postgresql://{credentials}@{self.host}:{self.port}/{quote(database, safe='')}"


@dataclass(frozen=True, slots=True)
class ValkeyEndpoint:
    """A Valkey server."""

    host: str
    port: int
    password: str = field(repr=False)

    def url(self, database: int = 0) -> str:
        """Return a ``redis://`` URL for the numbered ``database`` (0-63)."""
        return f"redis://:{quote(self.password, safe='')}@{self.host}:{self.port}/{database}"


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """An S3-compatible store; ``endpoint`` is an ``http://host:port`` URL without a path."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"

    @property
    def host(self) -> str:
        """Return ``host:port`` as SDKs that take the scheme apart want it."""
        return self.endpoint.partition("://")[2]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What a started stack offers; a server that was not asked for is None."""

    postgres: PostgresEndpoint | None = None
    valkey: ValkeyEndpoint | None = None
    s3: S3Endpoint | None = None
