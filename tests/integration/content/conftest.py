"""Bringing templates in for content's tests."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.testing import packages as build
from flatrender.testing.platform import Person, Platform
from flatrender_content.services.importer import Imported, ImportService

Install = Callable[..., Awaitable[Imported]]


@pytest.fixture
def fresh_slug() -> str:
    """A slug that no other test has; letters only, so that it is one word to a search."""
    letters = secrets.token_hex(8).translate(str.maketrans("0123456789", "ghijklmnop"))
    return f"t-{letters}"


@pytest.fixture
def install(platform: Platform) -> Install:
    """Return a function that imports (and publishes) a tiny template without HTTP."""

    async def run(
        slug: str,
        *,
        tenant_id: UUID = DEFAULT_TENANT_ID,
        publish: bool = True,
        files: dict[str, bytes] | None = None,
        **changes: Any,
    ) -> Imported:
        data = build.package(build.manifest(slug=slug, **changes), files)
        imports = platform.runtime.plugins["content"].context.get(ImportService)
        return await imports.import_bytes(tenant_id, data, publish=publish)

    return run


@pytest.fixture
async def admin(platform: Platform) -> Person:
    """An administrator of the platform's own tenant, second factor done."""
    return await platform.admin()
