"""What can go wrong at the outbound door. Texts name hosts and reasons, never paths or queries."""

import httpx


class OutboundError(httpx.TransportError):
    """Base. An httpx error too, so that libraries that stand on httpx (authlib) handle it as the
    failed connection that it is."""

    #: A short stable word for logs, metrics and delivery records.
    reason = "failed"


class DestinationRefused(OutboundError):
    """The destination must not be called from here; calling again will not help."""

    reason = "refused"


class OutboundFailed(OutboundError):
    """No connection, or it broke."""

    reason = "failed"


class OutboundTimeout(OutboundError):
    """The whole call took longer than it may."""

    reason = "timeout"


class ResponseRefused(OutboundError):
    """The answer is larger than allowed, or compressed although we asked for plain bytes."""

    reason = "response_refused"
