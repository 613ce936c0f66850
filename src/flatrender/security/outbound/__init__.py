"""The one outbound door: every URL that a user or an admin can set is called through here.

A name is resolved, every address it has is checked, and exactly a checked address is dialled.
No redirect is followed; sizes and times are capped; nothing compressed is accepted. It never
retries and never knows what a call is for.
"""

from flatrender.security.outbound.addresses import Resolver, SystemResolver, public_address
from flatrender.security.outbound.dialing import Dialer
from flatrender.security.outbound.door import OutboundDoor, OutboundResponse
from flatrender.security.outbound.errors import (
    DestinationRefused,
    OutboundError,
    OutboundFailed,
    OutboundTimeout,
    ResponseRefused,
)

__all__ = [
    "DestinationRefused",
    "Dialer",
    "OutboundDoor",
    "OutboundError",
    "OutboundFailed",
    "OutboundResponse",
    "OutboundTimeout",
    "Resolver",
    "ResponseRefused",
    "SystemResolver",
    "public_address",
]
