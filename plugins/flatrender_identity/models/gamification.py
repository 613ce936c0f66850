"""Mapped tables of the identity schema: gamification."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, FetchedValue, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_identity.models.base import Base


class Level(Base):
    """Levels that people climb by experience points."""

    __tablename__ = "levels"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    number: Mapped[int]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    min_xp: Mapped[int]
    icon_object_key: Mapped[str | None]
    perks: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class Gift(Base):
    """What can be earned: money, render charge, plan days, a discount, a badge."""

    __tablename__ = "gifts"
    __table_args__ = (
        ForeignKeyConstraint(["plan_id"], ["identity.plans.id"]),
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    code: Mapped[str]
    kind: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    description_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    description_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    days: Mapped[int | None]
    plan_id: Mapped[UUID | None]
    discount_percent: Mapped[int | None]
    image_object_key: Mapped[str | None]
    valid_days: Mapped[int | None]
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class Quest(Base):
    """Things to do and what they bring; progress follows events."""

    __tablename__ = "quests"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "gift_id"], ["identity.gifts.tenant_id", "identity.gifts.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    code: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    description_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    description_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    trigger_event: Mapped[str]
    conditions: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    goal: Mapped[int] = mapped_column(server_default=FetchedValue())
    period: Mapped[str] = mapped_column(server_default=FetchedValue())
    xp: Mapped[int] = mapped_column(server_default=FetchedValue())
    gift_id: Mapped[UUID | None]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class UserProgress(Base):
    """Experience, level and streak of a person."""

    __tablename__ = "user_progress"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    xp: Mapped[int] = mapped_column(server_default=FetchedValue())
    level: Mapped[int] = mapped_column(server_default=FetchedValue())
    streak_days: Mapped[int] = mapped_column(server_default=FetchedValue())
    best_streak_days: Mapped[int] = mapped_column(server_default=FetchedValue())
    last_active_day: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class XpLedger(Base):
    """Every change of experience points; the reference makes a repeated event harmless."""

    __tablename__ = "xp_ledger"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    delta: Mapped[int]
    reason: Mapped[str]
    reference: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class QuestProgress(Base):
    """How far a person is with a quest in one period."""

    __tablename__ = "quest_progress"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "quest_id"],
            ["identity.quests.tenant_id", "identity.quests.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    quest_id: Mapped[UUID] = mapped_column(primary_key=True)
    period_start: Mapped[date] = mapped_column(primary_key=True, server_default=FetchedValue())
    progress: Mapped[int] = mapped_column(server_default=FetchedValue())
    completed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class EarnedGift(Base):
    """Gifts a person has earned, claimed or let pass."""

    __tablename__ = "earned_gifts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "gift_id"], ["identity.gifts.tenant_id", "identity.gifts.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "level_id"], ["identity.levels.tenant_id", "identity.levels.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "quest_id"], ["identity.quests.tenant_id", "identity.quests.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    gift_id: Mapped[UUID]
    quest_id: Mapped[UUID | None]
    level_id: Mapped[UUID | None]
    notification_id: Mapped[UUID | None]
    reference: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    earned_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    claimed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
