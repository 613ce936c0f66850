"""compose.yaml against the Compose specification and against our own code, without an engine."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from compose_spec import PyOptions

from flatrender.settings import Settings, load_settings
from flatrender.tasks.task import QUEUES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "config" / "production.example.env").read_text(encoding="utf-8")
# Compose's interpolation: ${NAME}, ${NAME:-default}, ${NAME:?message}; $$ is a dollar sign.
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")
SECRET = re.compile(r"PASSWORD|SECRET|_KEY$")
APP = ("migrate", "api", "worker-render", "worker-quick", "worker-messages", "worker-default")
STORES = ("postgres", "valkey", "s3")

FILLED = {
    "FLATRENDER_DATABASE_PASSWORD": "d" * 40,
    "FLATRENDER_DATABASE_MIGRATOR_PASSWORD": "m" * 40,
    "FLATRENDER_VALKEY_PASSWORD": "v" * 40,
    "FLATRENDER_STORAGE_PUBLIC_URL": "https://media.example.ir",
    "FLATRENDER_STORAGE_ACCESS_KEY": "a" * 20,
    "FLATRENDER_STORAGE_SECRET_KEY": "s" * 40,
    "FLATRENDER_HTTP_PUBLIC_URL": "https://api.example.ir",
    "FLATRENDER_HTTP_CURSOR_KEY": "c" * 40,
    "FLATRENDER_SECURITY_SECRET_KEY": "r" * 40,
}


def interpolated(values: dict[str, str]) -> str:
    def fill(match: re.Match[str]) -> str:
        value = values.get(match["name"], "")
        if not value and match["kind"] == "?":
            raise LookupError(match["rest"])
        return value or (match["rest"] if match["kind"] == "-" else "")

    return VARIABLE.sub(fill, TEXT)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = PyOptions(apply_merge=True).from_yaml(interpolated(FILLED))
    compose.validate()  # every network, volume, config and secret that is named is defined
    found: dict[str, Any] = compose.to_dict()["services"]
    return found


def test_it_is_a_compose_file_with_these_services(services: dict[str, Any]) -> None:
    assert set(services) == {*APP, *STORES}
    named = {other for service in services.values() for other in service.get("depends_on", {})}
    assert named <= set(services)


def test_the_check_itself_refuses_a_wrong_file() -> None:
    with pytest.raises(ValueError, match="healthchek"):
        PyOptions(apply_merge=True).from_yaml(
            interpolated(FILLED).replace("healthcheck:", "healthchek:")
        )


@pytest.mark.parametrize("name", sorted(FILLED))
def test_it_does_not_start_without(name: str) -> None:
    with pytest.raises(LookupError, match=f"set {name} in .env"):
        interpolated({**FILLED, name: ""})


def test_no_secret_has_a_default() -> None:
    for match in VARIABLE.finditer(TEXT):
        if SECRET.search(match["name"]):
            assert match["kind"] == "?", match[0]
    for line in TEXT.splitlines():
        key, _, value = line.strip().partition(": ")
        if SECRET.search(key) and key.isupper():
            assert value.startswith("${"), line


def test_every_variable_is_explained_in_the_example() -> None:
    offered = set(re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE))
    assert set(FILLED) <= offered
    filled_in = re.findall(r"^(\w+)=(.+)$", EXAMPLE, re.MULTILINE)
    assert not [name for name, _ in filled_in if SECRET.search(name)]


@pytest.mark.parametrize("name", APP)
def test_the_environment_is_what_production_accepts(services: dict[str, Any], name: str) -> None:
    environment = {key: str(value) for key, value in services[name]["environment"].items()}
    settings = load_settings(environment)
    assert settings.production
    assert settings.database.password == FILLED["FLATRENDER_DATABASE_PASSWORD"]
    known = {
        f"FLATRENDER_{'' if section.name == 'core' else section.name.upper() + '_'}"
        f"{field.name.upper()}"
        for section in msgspec.structs.fields(Settings)
        if section.name != "source"
        for field in msgspec.structs.fields(section.type)
    }
    assert set(environment) <= known  # a misspelt setting would be silently ignored


def test_only_the_migration_job_may_change_the_schema(services: dict[str, Any]) -> None:
    holders = [
        n for n in APP if "FLATRENDER_DATABASE_MIGRATOR_PASSWORD" in services[n]["environment"]
    ]
    assert holders == ["migrate"]


def test_everything_starts_in_order(services: dict[str, Any]) -> None:
    for name in STORES:
        assert services[name]["healthcheck"]["test"], name
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    for name in APP[1:]:
        needs = {k: v["condition"] for k, v in services[name]["depends_on"].items()}
        assert needs == {
            "migrate": "service_completed_successfully",
            "valkey": "service_healthy",
            "s3": "service_healthy",
        }, name
    assert "/health/ready" in " ".join(services["api"]["healthcheck"]["test"])


def test_every_queue_class_has_its_workers_once(services: dict[str, Any]) -> None:
    served: list[str] = []
    for name in APP:
        command = services[name]["command"]
        if "--queues" in command:
            served += command[command.index("--queues") + 1].split(",")
    assert sorted(served) == sorted(QUEUES)


def test_databases_are_reachable_from_inside_only(services: dict[str, Any]) -> None:
    compose = PyOptions(apply_merge=True).from_yaml(interpolated(FILLED)).to_dict()
    assert compose["networks"]["backend"]["internal"] is True
    for name in ("postgres", "valkey"):
        assert "ports" not in services[name]
        assert list(services[name]["networks"]) == ["backend"]
    for service in services.values():
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:"), port


@pytest.mark.parametrize("name", APP)
def test_our_processes_have_no_powers(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


def test_the_image_is_locked_and_not_root() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER (?!0\b|root\b)\S+", last, re.MULTILINE)
    installs = [line for line in text.replace("\\\n", " ").splitlines() if "pip install" in line]
    ours = [line for line in installs if "uv pip install" in line]
    assert all("constraints requirements.lock" in line for line in ours)
    assert len(ours) == 2
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), path
            assert f"!{path}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


def compose_command() -> list[str] | None:
    """Return the Compose program of this machine, or None. No engine is needed to check a file."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            asked = subprocess.run([*command, "version"], capture_output=True, check=False)
            if asked.returncode == 0:
                return command
    return None


def test_compose_itself_accepts_it() -> None:
    command = compose_command()
    if command is None:
        pytest.skip("no docker compose on this machine; the specification's parser accepted it")
    checked = subprocess.run(
        [*command, "-f", str(ROOT / "compose.yaml"), "config", "--quiet"],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **FILLED},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
