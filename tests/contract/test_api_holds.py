"""The API against its own description: what schemathesis makes up gets documented answers only.

No server error, no status and no type that is not documented, no answer that does not fit its
schema; as customers and as administrators. The short form takes a fixed seed and part of a minute;
``FLATRENDER_FUZZ=full`` (``make fuzz``) adds the demo's templates, more examples and chains of
calls.
"""

import asyncio
import json
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from flatrender.runtime import Runtime
from flatrender.settings import load_settings
from flatrender.testing.platform import FAST, Person, Platform
from flatrender.testing.plugin import TestDatabase
from flatrender.testing.workers import api_process, free_port, process

FULL = os.environ.get("FLATRENDER_FUZZ") == "full"
SEED = os.environ.get("FLATRENDER_FUZZ_SEED", "20261121")
CROWD = 4 if FULL else 2
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)
#: These end the caller's own session, so that all after them would be 401; they have own tests.
FAREWELLS = (
    "logout",
    "end_all_my_sessions",
    "end_my_session",
    "remove_totp",
    "remove_passkey",
    "change_password",
    "change_my_password",
    "ask_my_deletion",
)
_PARAMETER = re.compile(r"\{(\w+)\}")


class Api:
    """A server process and its people."""

    def __init__(self, url: str, platform: Platform) -> None:
        self.url = url
        self.platform = platform

    async def known(self, person: Person, paths: dict[str, Any]) -> dict[str, str]:
        """Return ids that a person can see, by path parameter: the first of each list."""
        found: dict[str, str] = {}
        for _ in range(2):  # the second time lists within what the first has found
            for path in paths:
                place, _, rest = path.rpartition("/{")
                name = rest.removesuffix("}")
                if "}" in name or name in found or "get" not in paths.get(place, {}):
                    continue
                if any(one not in found for one in _PARAMETER.findall(place)):
                    continue
                answer = await self.platform.client.get(
                    place.format(**found), headers=person.headers
                )
                told = answer.json() if answer.status_code == 200 else {}
                rows = told.get("data") if isinstance(told, dict) else None
                if rows:
                    row = rows[0]
                    keys = (name, "id", "slug", "code", "key")
                    found[name] = str(next((row[k] for k in keys if k in row), ""))
        return {name: value for name, value in found.items() if value}

    async def hold(self, people: list[Person], folder: Path) -> None:
        """Run schemathesis as these people, in a folder; fails with its report."""
        document = (await self.platform.client.get("/openapi.json")).json()
        crowd = [
            {"token": one.access_token, "known": await self.known(one, document["paths"])}
            for one in people
        ]
        form = (
            ("--phases", "examples,coverage,fuzzing,stateful", "-n", "20", "--max-time", "780")
            if FULL
            else ("--phases", "fuzzing", "-n", "2", "--max-time", "25")
        )
        known_ids = {o["operationId"] for item in document["paths"].values() for o in item.values()}
        excluded = [
            word
            for name in FAREWELLS
            if name in known_ids
            for word in ("--exclude-operation-id", name)
        ]
        command = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("st")),
            "run",
            f"{self.url}/openapi.json",
            *form,
            *excluded,
            *("--exclude-path-regex", "/stream$"),  # never ends by itself
            *("--checks", CHECKS, "--seed", SEED, "--generation-database", "none"),
            *("--continue-on-failure", "--no-shrink", "--no-color", "--request-timeout", "30"),
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parent),
                "SCHEMATHESIS_HOOKS": "fuzz_hooks",
                "FLATRENDER_FUZZ_PEOPLE": json.dumps(crowd),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await command.communicate()
        text = told.decode()
        if command.returncode != 0:
            pytest.fail(text, pytrace=False)
        print(text)


@pytest.fixture(scope="module")
async def api(
    server_environment: dict[str, str], clone_database: Callable[[], TestDatabase]
) -> AsyncIterator[Api]:
    """A server process of its own."""
    environment = {
        **FAST,
        **server_environment,
        "FLATRENDER_DATABASE_NAME": clone_database().name,
        "FLATRENDER_VALKEY_PREFIX": f"{server_environment['FLATRENDER_VALKEY_PREFIX']}-fuzz",
        "FLATRENDER_SECURITY_STEP_UP_SECONDS": "3600",  # the long form ends before tokens do
    }
    url = f"http://127.0.0.1:{free_port()}"
    async with (
        api_process(environment, url) as client,
        Runtime(load_settings(environment)) as runtime,
    ):
        if FULL:
            async with process(environment, "catalogue", "install") as installing:
                assert await installing.wait() == 0
        yield Api(url, Platform(runtime, client, None))


async def _made(api: Api, person: Person, path: str, **body: Any) -> None:
    answer = await api.platform.client.post(path, json=body, headers=person.headers)
    assert answer.status_code in (201, 202), answer.text


async def test_customers_and_administrators_get_documented_answers_only(
    api: Api, tmp_path: Path
) -> None:
    customers = [await api.platform.person(plan="pro") for _ in range(CROWD)]
    for person in customers:
        await _made(api, person, "/v1/folders", name="A folder")
        if FULL:
            templates = await api.platform.client.get("/v1/templates", headers=person.headers)
            (template, *_) = templates.json()["data"]
            one = await api.platform.client.get(f"/v1/templates/{template['slug']}")
            project = one.json()["projects"][0]["id"]
            await _made(api, person, "/v1/saved-projects", project_id=project)
    admins = [await api.platform.admin() for _ in range(CROWD)]
    for path in ("/v1/admin/categories", "/v1/admin/tags"):
        name = {"fa": "واژه", "en": "Word"}
        await _made(api, admins[0], path, slug=f"fuzz-{secrets.token_hex(4)}", name=name)
    # In turns: whatever is asked twice is asked by one of each.
    await api.hold([one for pair in zip(customers, admins, strict=True) for one in pair], tmp_path)
