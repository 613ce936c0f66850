"""Mapped tables of the notification schema: messages."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, FetchedValue, ForeignKeyConstraint, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_notification.models.base import Base


class Template(Base):
    """Texts of messages per channel and language; a tenant's own come before the default
    tenant's, those before the built-in."""

    __tablename__ = "templates"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    code: Mapped[str]
    type: Mapped[str] = mapped_column(server_default=FetchedValue())
    channel: Mapped[str]
    locale: Mapped[str]
    subject: Mapped[str] = mapped_column(server_default=FetchedValue())
    body: Mapped[str]
    body_html: Mapped[str | None]
    provider_template: Mapped[str | None]
    params: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    version: Mapped[int] = mapped_column(server_default=FetchedValue())
    enabled: Mapped[bool] = mapped_column(server_default=FetchedValue())
    updated_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class Campaign(Base):
    """Messages to many people at once."""

    __tablename__ = "campaigns"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    name: Mapped[str]
    type: Mapped[str] = mapped_column(server_default=FetchedValue())
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    priority: Mapped[str] = mapped_column(server_default=FetchedValue())
    title_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    title_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    body_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    body_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    body_html_fa: Mapped[str | None]
    body_html_en: Mapped[str | None]
    action_url: Mapped[str | None]
    image_object_key: Mapped[str | None]
    audience: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    scheduled_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    rate_per_minute: Mapped[int | None]
    cursor: Mapped[str | None]
    recipients: Mapped[int] = mapped_column(server_default=FetchedValue())
    delivered: Mapped[int] = mapped_column(server_default=FetchedValue())
    failed: Mapped[int] = mapped_column(server_default=FetchedValue())
    opened: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class Notification(Base):
    """What a person was told, in both languages; the inbox shows those with in_app."""

    __tablename__ = "notifications"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "campaign_id"],
            ["notification.campaigns.tenant_id", "notification.campaigns.id"],
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    type: Mapped[str]
    priority: Mapped[str] = mapped_column(server_default=FetchedValue())
    title_fa: Mapped[str]
    title_en: Mapped[str]
    body_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    body_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    data: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    action_url: Mapped[str | None]
    image_object_key: Mapped[str | None]
    group_key: Mapped[str | None]
    event_id: Mapped[UUID | None]
    campaign_id: Mapped[UUID | None]
    in_app: Mapped[bool] = mapped_column(server_default=FetchedValue())
    seen_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class NotificationPreference(Base):
    """What a person wants where; what is not here follows the default of the type."""

    __tablename__ = "notification_preferences"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class UserSettings(Base):
    """A person's quiet hours, digest and Telegram chat."""

    __tablename__ = "user_settings"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    timezone: Mapped[str | None]
    digest: Mapped[str] = mapped_column(server_default=FetchedValue())
    telegram_chat_id: Mapped[str | None]
    telegram_linked_at: Mapped[datetime | None]
    muted_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class Delivery(Base):
    """One message on one channel and what became of it."""

    __tablename__ = "deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "campaign_id"],
            ["notification.campaigns.tenant_id", "notification.campaigns.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "notification_id"],
            ["notification.notifications.tenant_id", "notification.notifications.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    notification_id: Mapped[UUID | None]
    campaign_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    event_id: Mapped[UUID | None]
    channel: Mapped[str]
    priority: Mapped[str] = mapped_column(server_default=FetchedValue())
    recipient: Mapped[str] = mapped_column(server_default=FetchedValue())
    locale: Mapped[str] = mapped_column(server_default=FetchedValue())
    template: Mapped[str] = mapped_column(server_default=FetchedValue())
    params: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    sealed_params: Mapped[str] = mapped_column(server_default=FetchedValue())
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    skip_reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=FetchedValue())
    lease_until: Mapped[datetime | None]
    provider: Mapped[str | None]
    provider_message_id: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    cost_minor: Mapped[int | None] = mapped_column(BigInteger)
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    clicked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class ChannelSettings(Base):
    """A tenant's own sender on a channel (SMTP server, SMS account, bot); without one the
    server's is used."""

    __tablename__ = "channel_settings"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    sender: Mapped[str] = mapped_column(server_default=FetchedValue())
    config: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    secret_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    enabled: Mapped[bool] = mapped_column(server_default=FetchedValue())
    updated_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class Suppression(Base):
    """Addresses that must not be written to any more."""

    __tablename__ = "suppressions"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    address_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    reason: Mapped[str]
    only_marketing: Mapped[bool] = mapped_column(server_default=FetchedValue())
    detail: Mapped[str] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
