"""Who a node outside is: its signature, by its own secret.

Owns how signing secrets are sealed and tried; says nothing of what a node may do.
"""

from typing import Any
from uuid import UUID

from litestar import Request

from flatrender.errors import Unauthorized
from flatrender.plugin import PluginContext
from flatrender.security.errors import InvalidSignature
from flatrender.security.principal import DEFAULT_TENANT_ID, Principal
from flatrender.security.secrets import DecryptionError, Place, Secret
from flatrender.security.signatures import request_target

_NODE = """
SELECT id, secret_enc, previous_secret_enc,
       previous_secret_until IS NOT NULL AND previous_secret_until > now() AS previous_good
FROM render.nodes WHERE id = $1 AND kind = 'Remote' AND deleted_at IS NULL
"""


def secret_place(node_id: UUID) -> Place:
    """Return where a node's signing secret lies, for the encryptor.

    The former secret keeps the place that it was sealed for.
    """
    return Place(context="render", table="nodes", column="secret_enc", row=node_id)


class NodeSignatures:
    """Knows a node by its signature (the port behind ``X-Node-Signature``)."""

    header = "x-node-signature"

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._verifier = context.infra.security.signatures()

    async def authenticate(self, request: Request[Any, Any, Any]) -> Principal:
        """Return the node's principal. Raises ``Unauthorized`` and its kinds."""
        try:
            node_id = UUID(request.headers.get("x-node-id", ""))
        except ValueError:
            raise Unauthorized() from None
        rows = await self._context.db.system_fetch("node signature", _NODE, node_id)
        if not rows or rows[0]["secret_enc"] is None:
            raise InvalidSignature()
        row = rows[0]
        kept = [row["secret_enc"]]
        if row["previous_good"] and row["previous_secret_enc"] is not None:
            kept.append(row["previous_secret_enc"])
        body = await request.body()
        for number, sealed in enumerate(kept, 1):
            try:
                await self._verifier.verify(
                    signer=f"node:{node_id}",
                    secret=self._open(sealed, node_id),
                    timestamp=request.headers.get("x-node-timestamp", ""),
                    signature=request.headers.get(self.header, ""),
                    method=request.method,
                    target=request_target(request.scope),
                    body=body,
                )
            except InvalidSignature:
                if number == len(kept):
                    raise
            else:
                break
        return Principal(kind="node", tenant_id=DEFAULT_TENANT_ID, key_id=node_id)

    def _open(self, sealed: bytes, node_id: UUID) -> Secret:
        try:
            return self._context.infra.encryptor.decrypt(sealed.decode(), secret_place(node_id))
        except DecryptionError as error:
            raise InvalidSignature() from error
