"""The doctor's pure verdicts, at and around their limits."""

import msgspec
import pytest

from flatrender.db.migrations import MigrationStatus
from flatrender.doctor.database import (
    RoleFacts,
    judge_connections,
    judge_migrations,
    judge_role,
    judge_version,
)
from flatrender.doctor.finding import judge_clock
from flatrender.doctor.machine import (
    DISK_ERROR,
    DISK_WARNING,
    examine_settings,
    judge_disk,
    judge_libraries,
    judge_port,
    judge_python,
)
from flatrender.doctor.stores import judge_valkey
from flatrender.settings import HttpSettings, Settings

PLAIN = RoleFacts(
    name="flatrender_studio",
    superuser=False,
    bypasses_rls=False,
    creates_roles=False,
    creates_databases=False,
    owned_tables=0,
    foreign_schemas=[],
)


@pytest.mark.parametrize(
    ("skew", "level"),
    [(0, "ok"), (1.9, "ok"), (-1.9, "ok"), (2, "warning"), (-59, "warning"), (60, "error")],
)
def test_clock(skew: float, level: str) -> None:
    finding = judge_clock("PostgreSQL", skew)
    assert finding.level == level
    if level != "ok":
        assert ("ahead of" if skew > 0 else "behind") in finding.what


def test_python_and_libraries() -> None:
    assert judge_python((3, 10, 14)).level == "error"
    assert judge_python((3, 11, 0)).level == "ok"
    assert judge_libraries([]).level == "ok"
    lacking = judge_libraries(["libEGL.so.1"])
    assert lacking.level == "error"
    assert "libEGL.so.1" in lacking.what


@pytest.mark.parametrize(
    ("free", "level"),
    [(DISK_ERROR - 1, "error"), (DISK_ERROR, "warning"), (DISK_WARNING - 1, "warning"),
     (DISK_WARNING, "ok")],
)  # fmt: skip
def test_disk(free: int, level: str) -> None:
    assert judge_disk("/data", free).level == level


@pytest.mark.parametrize(
    ("port", "free", "ours", "level"),
    [(8000, True, False, "ok"), (8000, False, True, "ok"), (8000, False, False, "error"),
     (0, False, False, "ok")],
)  # fmt: skip
def test_port(port: int, free: bool, ours: bool, level: str) -> None:
    assert judge_port(port, free=free, ours=ours).level == level


def test_versions_and_connections() -> None:
    assert judge_version("here", 140_009).level == "error"
    assert judge_version("here", 150_000).level == "ok"
    assert judge_connections(101, 100).level == "error"
    assert judge_connections(51, 100).level == "warning"
    assert judge_connections(50, 100).level == "ok"


@pytest.mark.parametrize(
    "power",
    [
        {"superuser": True},
        {"bypasses_rls": True},
        {"creates_roles": True},
        {"creates_databases": True},
        {"owned_tables": 3},
        {"foreign_schemas": ["identity"]},
    ],
)
def test_every_power_too_many_is_an_error(power: dict[str, object]) -> None:
    (finding,) = judge_role(msgspec.structs.replace(PLAIN, **power))
    assert finding.level == "error"
    assert "flatrender_studio" in finding.what
    assert finding.fix


def test_a_plain_role_is_fine() -> None:
    assert [finding.level for finding in judge_role(PLAIN)] == ["ok"]


def test_migrations() -> None:
    def line(name: str, state: str) -> MigrationStatus:
        return MigrationStatus(number=1, name=name, state=state, applied_at="")

    assert judge_migrations([line("01_a", "applied")]).level == "ok"
    pending = judge_migrations([line("01_a", "applied"), line("02_b", "pending")])
    assert (pending.level, "02_b" in pending.what) == ("error", True)
    edited = judge_migrations([line("01_a", "edited"), line("02_b", "pending")])
    assert "01_a" in edited.what


def test_valkey() -> None:
    sound = {"valkey_version": "9.1.2", "maxmemory_policy": "noeviction", "aof_enabled": 1}
    assert [finding.level for finding in judge_valkey("here", sound)] == ["ok"]
    evicting = judge_valkey("here", {**sound, "maxmemory_policy": "allkeys-lru"})
    assert [finding.level for finding in evicting] == ["ok", "error"]
    forgetful = judge_valkey("here", {**sound, "aof_enabled": 0})
    assert [finding.level for finding in forgetful] == ["ok", "warning"]
    full = judge_valkey("here", {**sound, "aof_last_write_status": "err"})
    assert [finding.level for finding in full] == ["ok", "error"]


def test_unsafe_values_matter_where_others_can_reach_them() -> None:
    assert [f.level for f in examine_settings(Settings())] == ["ok"]
    open_to_all = examine_settings(Settings(http=HttpSettings(host="0.0.0.0")))  # noqa: S104  the point
    assert {finding.level for finding in open_to_all} == {"warning"}
    said = " ".join(finding.what for finding in open_to_all)
    assert "FLATRENDER_SECURITY_SECRET_KEY" in said
