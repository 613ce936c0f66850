"""Where a node finds the farm and its own folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from flatrender.security.secrets import Secret


class NodeMisconfigured(Exception):
    """A setting is missing or makes no sense; the message says which and what to do."""


class NodeSettings(Struct, frozen=True, kw_only=True):
    """``slots`` 0 means one per processor core; ``bandwidth`` in bits per second, None: free."""

    url: str
    node_id: UUID
    secret: Secret
    folder: Path
    slots: int = 0
    engines: tuple[str, ...] = ()
    region: str = ""
    bandwidth: int | None = None
    wait: float = 25.0

    @property
    def places(self) -> int:
        """How many frame jobs run at once."""
        return self.slots or os.cpu_count() or 1


def read_settings(environment: Mapping[str, str], **given: object) -> NodeSettings:
    """Read the node's settings: options that were given win over ``FLATRENDER_NODE_*``.

    The secret comes from the environment or from a file, never from the command line, where other
    users of the machine could read it. Raises :class:`NodeMisconfigured`.
    """

    def value(name: str) -> str:
        found = given.get(name)
        return (
            str(found)
            if found not in (None, "")
            else environment.get(f"FLATRENDER_NODE_{name.upper()}", "")
        )

    url = value("url")
    if not url.startswith(("http://", "https://")):
        raise NodeMisconfigured("FLATRENDER_NODE_URL: the server's address, such as https://…")
    try:
        node_id = UUID(value("id"))
    except ValueError:
        raise NodeMisconfigured(
            "FLATRENDER_NODE_ID: the id that enrolling the node has given"
        ) from None
    secret = environment.get("FLATRENDER_NODE_SECRET", "")
    if not secret and (path := value("secret_file")):
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NodeMisconfigured(f"{path}: {error.strerror}") from error
    if not secret:
        raise NodeMisconfigured(
            "FLATRENDER_NODE_SECRET or FLATRENDER_NODE_SECRET_FILE: the node's signing secret"
        )
    folder = Path(value("folder") or "flatrender-node").expanduser().resolve()
    try:
        return NodeSettings(
            url=url,
            node_id=node_id,
            secret=Secret(secret),
            folder=folder,
            slots=int(value("slots") or 0),
            engines=tuple(filter(None, value("engines").split(","))),
            region=value("region"),
            bandwidth=int(value("bandwidth")) if value("bandwidth") else None,
        )
    except ValueError as error:
        raise NodeMisconfigured(f"a number was expected: {error}") from error
