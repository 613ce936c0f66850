"""Notification's pure rules: kinds, channels, what goes where unless a person chose otherwise."""

from collections.abc import Mapping
from typing import Literal

NotificationType = Literal[
    "RenderCompleted",
    "RenderFailed",
    "RenderProgress",
    "PlanExpiring",
    "PlanExpired",
    "PaymentSuccess",
    "PaymentFailed",
    "StorageWarning",
    "StorageFull",
    "ExportExpiring",
    "ExportDeleted",
    "GiftEarned",
    "QuestCompleted",
    "LevelUp",
    "AccountSecurity",
    "SystemAnnouncement",
    "TenantInvite",
    "Marketing",
    "Other",
]
Channel = Literal["InApp", "Push", "Email", "SMS", "Telegram", "Webhook"]

#: Kinds whose mail is sent unless a person turned it off.
MAILED: frozenset[str] = frozenset(
    {
        "RenderCompleted",
        "RenderFailed",
        "PlanExpiring",
        "PlanExpired",
        "PaymentSuccess",
        "PaymentFailed",
        "ExportExpiring",
        "AccountSecurity",
        "TenantInvite",
    }
)
#: Kinds that nobody can turn off: they protect the account.
UNSILENCEABLE: frozenset[str] = frozenset({"AccountSecurity"})

BACK_OFF_SECONDS = (10, 60, 300, 1800, 7200)


def wanted(kind: str, channel: str, chosen: Mapping[tuple[str, str], bool]) -> bool:
    """True when a message of this kind may use this channel."""
    if not silenceable(kind, channel):
        return True
    default = channel == "InApp" or (channel == "Email" and kind in MAILED)
    return chosen.get((kind, channel), default)


def silenceable(kind: str, channel: str) -> bool:
    """True when a person may turn this kind off on this channel."""
    return not (kind in UNSILENCEABLE and channel in ("InApp", "Email"))


def retry_after(attempt: int) -> int | None:
    """Return seconds until the next attempt after ``attempt`` failed ones, None to give up."""
    return BACK_OFF_SECONDS[attempt - 1] if attempt <= len(BACK_OFF_SECONDS) else None
