"""A software authenticator and the browser around it: makes and uses passkeys as WebAuthn says.

Written from the standard (WebAuthn Level 3 sections 5, 6 and 7) and CTAP's canonical CBOR, apart
from the library that verifies: what the two agree on is the format, not each other's faults.
Wrong answers are made by changing one thing of a right one.
"""

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


def b64(data: bytes) -> str:
    """Unpadded base64url."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of unpadded base64url."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value: Any) -> bytes:
    """Canonical CBOR of integers, bytes, text and maps (RFC 8949)."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    pairs = sorted((cbor(key), cbor(item)) for key, item in value.items())
    return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for code, form in ((24, ">B"), (25, ">H"), (26, ">I")):
        if number < 256 ** struct.calcsize(form):
            return bytes([major << 5 | code]) + struct.pack(form, number)
    raise ValueError(number)


@dataclass
class Held:
    """A passkey inside the authenticator. ``counts``: its counter rises with every use."""

    credential_id: bytes
    key: ec.EllipticCurvePrivateKey
    rp_id: str
    user_handle: bytes
    sign_count: int = 0
    counts: bool = True

    def cose(self) -> bytes:
        """The public key as COSE (RFC 9053 section 7.1.1)."""
        point = self.key.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        return cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})


@dataclass
class Authenticator:
    """Holds passkeys and answers pages of ``origin``."""

    origin: str
    held: list[Held] = field(default_factory=list)
    flags: int = PRESENT | VERIFIED
    cross_origin: bool = False

    def create(
        self, options: dict[str, Any], *, again: Held | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Answer ``navigator.credentials.create``; ``again`` presents a passkey that is there.
        ``changes``: ``origin``, ``challenge``, ``type``, ``rp_id``, ``flags``."""
        made = again or Held(
            credential_id=secrets.token_bytes(32),
            key=ec.generate_private_key(ec.SECP256R1()),
            rp_id=options["rp"]["id"],
            user_handle=unb64(options["user"]["id"]),
        )
        if again is None:
            self.held.append(made)
        attested = (
            bytes(16)
            + struct.pack(">H", len(made.credential_id))
            + made.credential_id
            + made.cose()
        )
        flags = changes.get("flags", self.flags) | ATTESTED
        data = self._data(changes.get("rp_id", made.rp_id), flags, made.sign_count) + attested
        client = self._client("webauthn.create", options["challenge"], changes)
        return {
            "id": b64(made.credential_id),
            "rawId": b64(made.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client),
                "attestationObject": b64(cbor({"fmt": "none", "attStmt": {}, "authData": data})),
                "transports": ["internal", "hybrid"],
            },
        }

    def get(
        self, options: dict[str, Any], *, use: Held | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Answer ``navigator.credentials.get`` by ``use``, else by the first passkey that fits.
        ``changes``: as for :meth:`create`, and ``sign_count``, ``user_handle``."""
        allowed = {one["id"] for one in options.get("allowCredentials", [])}
        fits = (
            one
            for one in self.held
            if one.rp_id == options["rpId"] and (not allowed or b64(one.credential_id) in allowed)
        )
        held = use or next(fits)
        if held.counts:
            held.sign_count += 1
        count = changes.get("sign_count", held.sign_count)
        flags = changes.get("flags", self.flags)
        data = self._data(changes.get("rp_id", held.rp_id), flags, count)
        client = self._client("webauthn.get", options["challenge"], changes)
        signed = data + hashlib.sha256(client).digest()
        signature = held.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        handle = changes.get("user_handle", held.user_handle)
        return {
            "id": b64(held.credential_id),
            "rawId": b64(held.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(handle) if handle is not None else None,
            },
        }

    @staticmethod
    def _data(rp_id: str, flags: int, count: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, count)

    def _client(self, kind: str, challenge: str, changes: dict[str, Any]) -> bytes:
        said = {
            "type": changes.get("type", kind),
            "challenge": changes.get("challenge", challenge),
            "origin": changes.get("origin", self.origin),
            "crossOrigin": changes.get("cross_origin", self.cross_origin),
        }
        return json.dumps(said).encode()
