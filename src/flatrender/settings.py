"""Settings: typed, validated at start, secrets only from the environment or from files.

A value is looked up as ``FLATRENDER_<SECTION>_<FIELD>`` in the environment, then as
``FLATRENDER_<SECTION>_<FIELD>_FILE`` (a path whose content is the value, for secrets), then in
``config/<environment>.toml``, then in ``config/default.toml``, then the Struct's own default.
Nothing needs a file. Production refuses unsafe values with every reason at once.
"""

import os
import shlex
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_type_hints

import msgspec
from msgspec import Meta, Struct

from flatrender.http.settings import HttpSettings
from flatrender.security.settings import SecuritySettings

S = TypeVar("S", bound=Struct)

#: Sections that live directly under ``FLATRENDER_`` without a section name.
_CORE = "core"


class SettingsError(Exception):
    """The configuration cannot be used. ``problems`` has one line per reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class CoreSettings(Struct, frozen=True, kw_only=True):
    """What the process is.

    ``plugins`` names the contexts of this process (empty: all installed). ``time_scale``
    multiplies every timer (leases, back-off, schedules), so that tests need no sleeps; 1 outside
    tests.
    """

    environment: Literal["development", "test", "production"] = "development"
    plugins: list[str] = []
    time_scale: Annotated[float, Meta(gt=0, le=1)] = 1.0
    data_dir: str = ".flatrender"


class DatabaseSettings(Struct, frozen=True, kw_only=True):
    """PostgreSQL. Each context logs in with its own two roles.

    ``passwords`` maps a context to its password (``identity=...,content=...`` in the
    environment); ``password`` serves every context that has none of its own. Connections of one
    process at the most: contexts x (``pool_size`` + ``read_pool_size`` + ``system_pool_size``).
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 5432
    name: str = "flatrender"
    read_host: str = ""
    read_port: int = 0
    migrator_user: str = "flatrender_migrator"
    migrator_password: str = ""
    password: str = ""
    passwords: dict[str, str] = {}
    pool_size: Annotated[int, Meta(ge=1, le=100)] = 5
    read_pool_size: Annotated[int, Meta(ge=1, le=100)] = 5
    system_pool_size: Annotated[int, Meta(ge=1, le=100)] = 4
    connect_timeout: float = 5.0
    statement_timeout: float = 30.0
    ssl: bool = False

    def password_of(self, context: str) -> str:
        """Return the password of a context's roles."""
        return self.passwords.get(context) or self.password


class ValkeySettings(Struct, frozen=True, kw_only=True):
    """Valkey (or Redis): queues, limits, live messages. It may be emptied at any time."""

    url: str = "redis://127.0.0.1:6379/0"
    prefix: str = "flatrender"


class StorageSettings(Struct, frozen=True, kw_only=True):
    """S3. ``public_url`` is where browsers reach the store: the host is part of a signature."""

    endpoint: str = "http://127.0.0.1:8333"
    public_url: str = ""
    access_key: str = ""
    secret_key: str = ""
    region: str = "us-east-1"
    bucket: str = "flatrender"
    threads: Annotated[int, Meta(ge=1, le=128)] = 16
    timeout: float = 30.0


class ObservabilitySettings(Struct, frozen=True, kw_only=True):
    """Logs, metrics and traces. No exporter is started unless ``otlp_endpoint`` is set."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str = ""
    metrics_token: str = ""
    service_name: str = "flatrender"


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """The task pool. ``render_slots`` 0 means one per processor core.

    ``cache_budget_bytes`` bounds a worker's local copies of templates and media.
    """

    queues: list[str] = []
    render_slots: Annotated[int, Meta(ge=0, le=512)] = 0
    cache_budget_bytes: Annotated[int, Meta(ge=0)] = 4 * 2**30
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 20
    shutdown_grace: float = 20.0


class Settings(Struct, frozen=True, kw_only=True):
    """All kernel settings, and the raw lookup from which plugins take their own section."""

    core: CoreSettings = CoreSettings()
    database: DatabaseSettings = DatabaseSettings()
    valkey: ValkeySettings = ValkeySettings()
    storage: StorageSettings = StorageSettings()
    http: HttpSettings = HttpSettings()
    security: SecuritySettings = SecuritySettings()
    observability: ObservabilitySettings = ObservabilitySettings()
    worker: WorkerSettings = WorkerSettings()
    source: "Source | None" = None

    def section(self, name: str, kind: type[S]) -> S:
        """Return a plugin's own section, read from the same places as the kernel's.

        Raises :class:`SettingsError` when a value does not fit ``kind``.
        """
        problems: list[str] = []
        built = (self.source or Source({}, {})).build(name, kind, problems)
        if problems or built is None:
            raise SettingsError(problems)
        return built

    @property
    def production(self) -> bool:
        """True where unsafe values are refused."""
        return self.core.environment == "production"


class Source(Struct, frozen=True):
    """Where values come from: the environment over merged files."""

    environ: dict[str, str]
    files: dict[str, dict[str, object]]

    def build(self, section: str, kind: type[S], problems: list[str]) -> S | None:
        """Build one section; every value that does not fit adds a line to ``problems``."""
        values: dict[str, object] = {}
        hints = get_type_hints(kind, include_extras=True)
        for field in msgspec.structs.fields(kind):
            key = _key(section, field.name)
            try:
                raw = self._raw(section, field.name, key)
                if raw is None:
                    continue
                values[field.name] = msgspec.convert(
                    _shape(raw, hints[field.name]), hints[field.name], strict=False
                )
            except (msgspec.ValidationError, OSError, ValueError) as error:
                problems.append(f"{key}: {error}")
        try:
            return kind(**values)
        except (TypeError, ValueError) as error:
            problems.append(f"{_key(section, '*')}: {error}")
            return None

    def _raw(self, section: str, field: str, key: str) -> object | None:
        if key in self.environ:
            return self.environ[key]
        if path := self.environ.get(f"{key}_FILE"):
            return Path(path).read_text(encoding="utf-8").strip()
        return self.files.get(section, {}).get(field)


def _key(section: str, field: str) -> str:
    middle = "" if section == _CORE else f"{section}_"
    return f"FLATRENDER_{middle}{field}".upper()


def _shape(raw: object, hint: object) -> object:
    """Split ``a,b`` and ``k=v,k=v`` for list and dict fields; leave the rest to msgspec."""
    if not isinstance(raw, str):
        return raw
    text = str(hint)
    if text.startswith(("list", "typing.Annotated[list")):
        return [part.strip() for part in raw.split(",") if part.strip()]
    if text.startswith(("dict", "typing.Annotated[dict")):
        pairs = (part.split("=", 1) for part in raw.split(",") if part.strip())
        return {pair[0].strip(): pair[1] for pair in pairs if len(pair) == 2}
    if raw.lower() in ("yes", "on"):
        return "true"
    if raw.lower() in ("no", "off"):
        return "false"
    return raw


def config_directory() -> Path | None:
    """Return the folder with the TOML files: the repository's, else the wheel's."""
    here = Path(__file__).resolve()
    for candidate in (here.parents[2] / "config", here.parent / "_data" / "config"):
        if (candidate / "default.toml").is_file():
            return candidate
    return None


def _read_files(environment: str, directory: Path | None) -> dict[str, dict[str, object]]:
    merged: dict[str, dict[str, object]] = {}
    if directory is None:
        return merged
    for name in ("default", environment):
        path = directory / f"{name}.toml"
        if path.is_file():
            for section, values in tomllib.loads(path.read_text(encoding="utf-8")).items():
                merged.setdefault(section, {}).update(values)
    return merged


def read_environment_file(path: Path) -> dict[str, str]:
    """Return the variables of a file of ``NAME=value`` lines, as compose and a shell read it.

    Quotes group as in a shell, ``#`` begins a comment, ``export`` may stand in front; nothing is
    expanded. Raises :class:`SettingsError` with the number of every line that is something else.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError([f"{path} cannot be read: {reason}"]) from error
    found: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a quote that is not closed
            words = [line, ""]
        if words[:1] == ["export"]:
            words = words[1:]
        if not words:
            continue
        name, equals, value = words[0].partition("=")
        if len(words) > 1 or not equals or not name.isidentifier():
            problems.append(f"{path}:{number}: expected NAME=value")
        found[name] = value
    if problems:
        raise SettingsError(problems)
    return found


def load_settings(
    environ: Mapping[str, str] | None = None,
    *,
    directory: Path | None = None,
    checks: tuple[Callable[[Settings], list[str]], ...] = (),
) -> Settings:
    """Read and validate the settings of this process.

    Raises :class:`SettingsError` with every problem at once. ``checks`` add rules of their own;
    the production rules of :func:`unsafe_values` always apply.
    """
    env = dict(os.environ if environ is None else environ)
    if "AUTH_COOKIE_SECURE" in env:  # the bare name that deployments already use
        env.setdefault("FLATRENDER_SECURITY_COOKIE_SECURE", env["AUTH_COOKIE_SECURE"])
    name = env.get("FLATRENDER_ENVIRONMENT", "development")
    problems: list[str] = []
    try:
        files = _read_files(name, directory or config_directory())
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise SettingsError([f"config/{name}.toml: {error}"]) from error
    source = Source(env, files)
    sections: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        if field.name != "source":
            section_type = field.type
            sections[field.name] = source.build(field.name, section_type, problems)
    if problems:
        raise SettingsError(problems)
    settings = msgspec.structs.replace(Settings(), source=source, **sections)
    for check in (unsafe_values, *checks):
        problems += check(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def unsafe_values(settings: Settings) -> list[str]:
    """Return one line per value that production must not run with; empty elsewhere."""
    if not settings.production:
        return []
    problems = list(settings.security.production_problems())
    problems += settings.http.production_problems()
    if not settings.database.password and not settings.database.passwords:
        problems.append("FLATRENDER_DATABASE_PASSWORD: is not set")
    if not settings.storage.secret_key:
        problems.append("FLATRENDER_STORAGE_SECRET_KEY: is not set")
    if settings.core.time_scale != 1.0:
        problems.append("FLATRENDER_TIME_SCALE: is for tests only")
    return problems
