"""Mapped tables of the identity schema: sessions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, FetchedValue, ForeignKeyConstraint, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_identity.models.base import Base


class Session(Base):
    """One row per session. Refresh tokens are derived from id and counter, none is stored."""

    __tablename__ = "sessions"
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
    kind: Mapped[str] = mapped_column(server_default=FetchedValue())
    counter: Mapped[int] = mapped_column(server_default=FetchedValue())
    rotated_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    amr: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    mfa_at: Mapped[datetime | None]
    user_epoch: Mapped[int] = mapped_column(server_default=FetchedValue())
    user_agent: Mapped[str] = mapped_column(server_default=FetchedValue())
    device_name: Mapped[str | None]
    ip: Mapped[Any] = mapped_column(INET, nullable=True)
    last_ip: Mapped[Any] = mapped_column(INET, nullable=True)
    last_seen_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    idle_expires_at: Mapped[datetime]
    absolute_expires_at: Mapped[datetime]
    trusted_device_id: Mapped[UUID | None]
    impersonator_id: Mapped[UUID | None]
    impersonation_reason: Mapped[str | None]
    impersonator_session_id: Mapped[UUID | None]
    impersonator_epoch: Mapped[int | None]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class SigningKey(Base):
    """Keys that sign access tokens; the JWKS shows next, current and previous."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(primary_key=True)
    alg: Mapped[str]
    state: Mapped[str]
    public_jwk: Mapped[Any] = mapped_column(JSONB, nullable=False)
    private_enc: Mapped[bytes] = mapped_column(LargeBinary)
    activated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class MfaFactor(Base):
    """Second factors: TOTP secrets and WebAuthn credentials. One counts only once confirmed."""

    __tablename__ = "mfa_factors"
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
    kind: Mapped[str]
    name: Mapped[str] = mapped_column(server_default=FetchedValue())
    secret_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    last_used_step: Mapped[int | None] = mapped_column(BigInteger)
    credential_id: Mapped[bytes | None] = mapped_column(LargeBinary)
    rp_id: Mapped[str | None]
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    transports: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    aaguid: Mapped[UUID | None]
    backed_up: Mapped[bool | None]
    passwordless: Mapped[bool] = mapped_column(server_default=FetchedValue())
    confirmed_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class MfaRecoveryCode(Base):
    """Ten recovery codes per person, hashed, each burned once."""

    __tablename__ = "mfa_recovery_codes"
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
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class MfaChallenge(Base):
    """A second factor that was asked for: between the password and the session, for step-up,
    for enrolment."""

    __tablename__ = "mfa_challenges"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    purpose: Mapped[str]
    challenge: Mapped[bytes | None] = mapped_column(LargeBinary)
    amr: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    wrong_attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    data: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    ip: Mapped[Any] = mapped_column(INET, nullable=True)
    expires_at: Mapped[datetime]
    consumed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class TrustedDevice(Base):
    """Devices on which the second factor is not asked for a while."""

    __tablename__ = "trusted_devices"
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
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str] = mapped_column(server_default=FetchedValue())
    user_agent: Mapped[str] = mapped_column(server_default=FetchedValue())
    last_ip: Mapped[Any] = mapped_column(INET, nullable=True)
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    user_epoch: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class OneTimeToken(Base):
    """Links and codes sent to people: hashed, short-lived, good once."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID | None]
    purpose: Mapped[str]
    target: Mapped[str] = mapped_column(server_default=FetchedValue())
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    code_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    max_attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    data: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    created_ip: Mapped[Any] = mapped_column(INET, nullable=True)
    expires_at: Mapped[datetime]
    consumed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class OauthConfig(Base):
    """Sign-in providers of a tenant, set in the admin panel."""

    __tablename__ = "oauth_config"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    provider: Mapped[str]
    driver: Mapped[str] = mapped_column(server_default=FetchedValue())
    name_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    name_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    client_id: Mapped[str] = mapped_column(server_default=FetchedValue())
    client_secret_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    redirect_uri: Mapped[str] = mapped_column(server_default=FetchedValue())
    issuer: Mapped[str | None]
    discovery_url: Mapped[str | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    return_urls: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    allow_signup: Mapped[bool] = mapped_column(server_default=FetchedValue())
    link_by_email: Mapped[bool] = mapped_column(server_default=FetchedValue())
    options: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    icon: Mapped[str | None]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    enabled: Mapped[bool] = mapped_column(server_default=FetchedValue())
    tested_at: Mapped[datetime | None]
    test_result: Mapped[Any] = mapped_column(JSONB, nullable=True)
    updated_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class OauthIdentity(Base):
    """Accounts elsewhere that sign in here, keyed by issuer and subject, never by address."""

    __tablename__ = "oauth_identities"
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
    provider: Mapped[str]
    issuer: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str | None]
    email_verified: Mapped[bool] = mapped_column(server_default=FetchedValue())
    profile: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    last_login_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class UsedAssertion(Base):
    """Signed answers of sign-in services that were taken: each is good once."""

    __tablename__ = "used_assertions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class OauthState(Base):
    """A sign-in under way: single use, bound to the browser that began it."""

    __tablename__ = "oauth_states"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    provider: Mapped[str]
    state_hash: Mapped[bytes] = mapped_column(LargeBinary)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    nonce: Mapped[str]
    code_verifier_enc: Mapped[bytes] = mapped_column(LargeBinary)
    return_to: Mapped[str]
    delivery: Mapped[str] = mapped_column(server_default=FetchedValue())
    link_user_id: Mapped[UUID | None]
    ip: Mapped[Any] = mapped_column(INET, nullable=True)
    expires_at: Mapped[datetime]
    consumed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
