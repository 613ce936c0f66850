"""For whom passkeys are made: the deployment's host, a tenant's own, and this machine."""

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from authenticator import Authenticator

from flatrender.privacy import rows_of
from flatrender.settings import load_settings
from flatrender.testing.platform import PASSWORD, Platform
from flatrender_identity.passkeys import RelyingParty
from flatrender_identity.services.data_exports import SECTIONS
from flatrender_identity.services.deletion import DeletionService
from flatrender_identity.services.relying_party import RelyingPartyService


async def _party(platform: Platform, **settings: Any) -> RelyingParty:
    """Return the party of the default tenant under other settings."""
    context = platform.runtime.plugins["identity"].context
    environment = {
        "FLATRENDER_ENVIRONMENT": "development",
        **{f"FLATRENDER_{name.upper()}": value for name, value in settings.items()},
    }

    class Infra:
        def __getattr__(self, name: str) -> Any:
            return getattr(context.infra, name)

        settings = load_settings(environment)

    class Context:
        def __getattr__(self, name: str) -> Any:
            return getattr(context, name)

        infra = Infra()

    service = RelyingPartyService(Context())  # type: ignore[arg-type]  # the same, set otherwise
    rows = await platform.sql("SELECT public.default_tenant() AS id")
    return await service.of(rows[0]["id"])


SETTINGS: list[tuple[Mapping[str, str], str, tuple[str, ...], tuple[str, ...]]] = [
    (
        {
            "http_public_url": "https://app.example.ir/",
            "http_cors_origins": "https://studio.app.example.ir,https://example.ir",
        },
        "app.example.ir",
        ("https://app.example.ir", "https://studio.app.example.ir"),
        ("https://example.ir", "https://app.example.ir:444", "http://localhost:3000"),
    ),
    (
        {
            "http_public_url": "https://api.example.ir",
            "identity_passkey_rp_id": "example.ir",
            "http_cors_origins": "https://app.example.ir",
        },
        "example.ir",
        ("https://api.example.ir", "https://app.example.ir"),
        ("https://example.ir.evil.example", "https://evilexample.ir"),
    ),
    (
        {
            "http_public_url": "https://api.example.ir",
            "identity_passkey_rp_id": "example.ir",
            "identity_passkey_origins": "https://id.example.ir",
        },
        "example.ir",
        ("https://id.example.ir",),
        ("https://api.example.ir",),
    ),
    (
        {"http_public_url": "http://127.0.0.1:8000"},
        "localhost",
        ("http://localhost", "http://localhost:5173"),
        (
            "https://localhost:5173",
            "http://127.0.0.1:8000",
            "http://localhost.evil.example",
            "http://localhost:",
            "http://localhost:80@evil.example",
            "http://localhost:123456",
        ),
    ),
]


@pytest.mark.parametrize(("settings", "rp_id", "good", "bad"), SETTINGS)
async def test_the_party_follows_the_settings(
    platform: Platform,
    settings: Mapping[str, str],
    rp_id: str,
    good: tuple[str, ...],
    bad: tuple[str, ...],
) -> None:
    party = await _party(platform, **settings)
    assert party.rp_id == rp_id
    assert [origin for origin in good if not party.takes(origin)] == []
    assert [origin for origin in bad if party.takes(origin)] == []


async def _policy(platform: Platform, admin: Any, **rules: Any) -> Any:
    return await platform.client.put(
        "/v1/admin/policy", json={**rules, "reason": "our own host"}, headers=admin.headers
    )


async def test_a_tenant_names_its_proven_host_only(platform: Platform, keyed: Any) -> None:
    tenant, key = await platform.tenant()
    domain = f"v-{secrets.token_hex(6)}.example"
    admin = await platform.admin(tenant_key=key)
    before = await keyed(tenant_key=key)
    await platform.sql(
        "INSERT INTO identity.tenant_domains (tenant_id, domain, verification_token) "
        "VALUES ($1, $2, 'x')",
        tenant,
        domain,
    )
    for rules, pointer in (
        ({"passkey_rp_id": domain}, "/passkey_rp_id"),  # claimed, not proven
        ({"passkey_rp_id": "testserver.local"}, "/passkey_rp_id"),
        ({"passkey_origins": [f"https://{domain}"]}, "/passkey_rp_id"),
    ):
        answer = await _policy(platform, admin, **rules)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer
    await platform.sql(
        "UPDATE identity.tenant_domains SET proven_at = now() WHERE domain = $1", domain
    )
    for wrong in (
        f"http://{domain}",
        "https://evil.example",
        f"https://evil{domain}",
        f"https://{domain}/",
        f"https://u@{domain}",
        f"https://{domain.upper()}",
    ):
        answer = await _policy(platform, admin, passkey_rp_id=domain, passkey_origins=[wrong])
        assert answer.status_code == 422, wrong
        assert answer.json()["errors"][0]["pointer"] == "/passkey_origins/0"
    good = await _policy(platform, admin, passkey_rp_id=domain)
    assert (good.status_code, good.json()["passkey_rp_id"]) == (200, domain), good.text

    asked = await before.ask()
    assert asked["public_key"]["rpId"] == domain
    used = before.device.get(asked["public_key"], use=before.held)  # made for the old host
    assert (await before.show(asked, used)).json()["code"] == "invalid_passkey"
    assert (await before.pending())["methods"] == ["recovery_code"]
    person = await platform.person(tenant_key=key)
    headers = person.headers
    begun = await platform.client.post(
        "/v1/me/mfa/passkeys/options", json={"current_password": PASSWORD}, headers=headers
    )
    options = begun.json()["public_key"]
    assert options["rp"] == {"id": domain, "name": "Reseller"}
    device = Authenticator(f"https://{domain}")
    body = {
        "challenge_id": begun.json()["challenge_id"],
        "credential": device.create(options),
        "name": "there",
    }
    made = await platform.client.post("/v1/me/mfa/passkeys", json=body, headers=headers)
    assert made.status_code == 201, made.text
    asked = await before.ask()
    used = device.get(asked["public_key"])
    assert (await before.show(asked, used)).status_code == 200


async def test_the_end_and_the_copy_of_an_account_know_its_passkeys(
    platform: Platform, keyed: Any
) -> None:
    someone = await keyed()
    await someone.ask()
    context = platform.runtime.plugins["identity"].context
    async with context.db.unit_of_work(someone.person.tenant_id) as work:
        rows = await rows_of(work, SECTIONS, someone.person.id)
    written = msgspec.json.encode(rows).decode()
    (passkey,) = msgspec.json.decode(written)["second_factors"]
    assert (passkey["kind"], passkey["name"], passkey["rp_id"]) == (
        "webauthn",
        "My phone",
        "testserver.local",
    )
    for secret in ("public_key", "credential_id", "secret_enc", "code_hash"):
        assert secret not in written
    asked = await someone.post("/v1/me/deletion", {})
    assert asked.status_code in (202, 204), asked.text
    await platform.sql(
        "UPDATE identity.users SET deletion_due_at = now() WHERE id = $1", someone.person.id
    )

    async def erased() -> bool:
        await context.get(DeletionService).erase_due()
        rows = await platform.sql(
            "SELECT deleted_at IS NOT NULL AS gone FROM identity.users WHERE id = $1",
            someone.person.id,
        )
        return bool(rows[0]["gone"])

    await platform.until(erased)
    for table in ("mfa_factors", "mfa_recovery_codes", "mfa_challenges", "trusted_devices"):
        left = await platform.sql(
            f"SELECT count(*) AS n FROM identity.{table} WHERE user_id = $1", someone.person.id
        )
        assert left[0]["n"] == 0, table
    asked = await someone.ask()
    used = someone.device.get(asked["public_key"])
    assert (await someone.show(asked, used)).json()["code"] == "invalid_passkey"
