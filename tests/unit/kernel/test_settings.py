"""Settings: environment over files over defaults; production names all that is unsafe."""

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from flatrender.settings import SettingsError, load_settings

SAFE = {
    "FLATRENDER_ENVIRONMENT": "production",
    "FLATRENDER_SECURITY_SECRET_KEY": "s" * 40,
    "FLATRENDER_HTTP_CURSOR_KEY": "c" * 40,
    "FLATRENDER_HTTP_PUBLIC_URL": "https://api.example.ir",
    "FLATRENDER_DATABASE_PASSWORD": "d",
    "FLATRENDER_STORAGE_SECRET_KEY": "k",
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "default.toml").write_text(
        '[database]\nhost = "file"\nport = 1111\npool_size = 7\n'
    )
    (tmp_path / "test.toml").write_text("[database]\nport = 2222\n")
    return tmp_path


def test_environment_over_files_over_defaults(config: Path) -> None:
    found = load_settings(
        {"FLATRENDER_ENVIRONMENT": "test", "FLATRENDER_DATABASE_HOST": "env"}, directory=config
    ).database
    assert (found.host, found.port, found.pool_size, found.name) == ("env", 2222, 7, "flatrender")


def test_nothing_needs_a_file(tmp_path: Path) -> None:
    assert load_settings({}, directory=tmp_path).database.port == 5432


def test_a_secret_may_come_from_a_file(config: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("  hush\n")
    env = {"FLATRENDER_DATABASE_PASSWORD_FILE": str(secret)}
    assert load_settings(env, directory=config).database.password == "hush"
    both = {**env, "FLATRENDER_DATABASE_PASSWORD": "shout"}
    assert load_settings(both, directory=config).database.password == "shout"
    with pytest.raises(SettingsError, match="FLATRENDER_DATABASE_PASSWORD"):
        load_settings({"FLATRENDER_DATABASE_PASSWORD_FILE": "/no/such"}, directory=config)


def test_lists_and_mappings(config: Path) -> None:
    found = load_settings(
        {
            "FLATRENDER_PLUGINS": "studio, files,",
            "FLATRENDER_DATABASE_PASSWORDS": "identity=a=b,studio=c",
            "FLATRENDER_DATABASE_PASSWORD": "rest",
            "FLATRENDER_DATABASE_SSL": "yes",
        },
        directory=config,
    )
    assert found.core.plugins == ["studio", "files"]
    assert found.database.password_of("identity") == "a=b"
    assert found.database.password_of("content") == "rest"
    assert found.database.ssl is True


def test_every_wrong_value_is_named_at_once(config: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(
            {
                "FLATRENDER_DATABASE_PORT": "70000",
                "FLATRENDER_TIME_SCALE": "2",
                "FLATRENDER_OBSERVABILITY_LOG_LEVEL": "loud",
            },
            directory=config,
        )
    assert [p.split(":")[0] for p in refused.value.problems] == [
        "FLATRENDER_TIME_SCALE", "FLATRENDER_DATABASE_PORT", "FLATRENDER_OBSERVABILITY_LOG_LEVEL",
    ]  # fmt: skip


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "default.toml").write_text("not toml")
    with pytest.raises(SettingsError, match=r"\.toml"):
        load_settings({}, directory=tmp_path)


def test_production_refuses_every_unsafe_value_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(
            {
                "FLATRENDER_ENVIRONMENT": "production",
                "FLATRENDER_SECURITY_ALLOW_LOOPBACK": "true",
                "AUTH_COOKIE_SECURE": "false",
                "FLATRENDER_TIME_SCALE": "0.5",
            },
            directory=tmp_path,
        )
    assert {p.split(":")[0] for p in refused.value.problems} == {
        "FLATRENDER_SECURITY_SECRET_KEY",
        "FLATRENDER_SECURITY_ALLOW_LOOPBACK",
        "FLATRENDER_SECURITY_COOKIE_SECURE",
        "FLATRENDER_HTTP_CURSOR_KEY",
        "FLATRENDER_HTTP_PUBLIC_URL",
        "FLATRENDER_DATABASE_PASSWORD",
        "FLATRENDER_STORAGE_SECRET_KEY",
        "FLATRENDER_TIME_SCALE",
    }
    assert load_settings(SAFE, directory=tmp_path).production


def test_development_runs_with_nothing_set(tmp_path: Path) -> None:
    assert not load_settings({}, directory=tmp_path).production


def test_the_bare_cookie_name_yields_to_the_full_one(tmp_path: Path) -> None:
    bare = {"AUTH_COOKIE_SECURE": "false"}
    assert load_settings(bare, directory=tmp_path).security.cookie_secure is False
    both = {**bare, "FLATRENDER_SECURITY_COOKIE_SECURE": "true"}
    assert load_settings(both, directory=tmp_path).security.cookie_secure is True


class Own(Struct, frozen=True, kw_only=True):
    size: Annotated[int, Meta(ge=1)] = 3
    names: list[str] = []


def test_a_plugin_reads_its_own_section(config: Path) -> None:
    settings = load_settings({"FLATRENDER_ACME_NAMES": "a,b"}, directory=config)
    assert settings.section("acme", Own) == Own(names=["a", "b"])
    wrong = load_settings({"FLATRENDER_ACME_SIZE": "0"}, directory=config)
    with pytest.raises(SettingsError, match="FLATRENDER_ACME_SIZE"):
        wrong.section("acme", Own)
