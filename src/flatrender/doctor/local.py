"""Whether the servers that were asked are the ones a person means: those of ``flatrender up``.

``up`` and ``demo`` run servers of their own on ports of their own, so a doctor without settings
would look past them at the default addresses.
"""

from pathlib import Path

from flatrender.doctor.finding import Finding, ok, warning
from flatrender.local import ENVIRONMENT_FILE
from flatrender.settings import Settings, SettingsError, read_environment_file

_PORT = "FLATRENDER_DATABASE_PORT"
_SECTIONS = ("FLATRENDER_DATABASE_", "FLATRENDER_VALKEY_", "FLATRENDER_STORAGE_")


def examine_local(settings: Settings) -> list[Finding]:
    """Look for a running ``up`` in the data folder and compare its servers with ours."""
    file = Path(settings.core.data_dir) / ENVIRONMENT_FILE
    try:
        theirs = read_environment_file(file).get(_PORT) if file.exists() else None
    except SettingsError:
        theirs = None
    environ = settings.source.environ if settings.source is not None else {}
    configured = any(name.startswith(_SECTIONS) for name in environ)
    return judge_local(
        file, port_of_up=theirs, our_port=settings.database.port, configured=configured
    )


def judge_local(
    file: Path, *, port_of_up: str | None, our_port: int, configured: bool
) -> list[Finding]:
    """Judge which servers are looked at. ``port_of_up`` is None where ``up`` does not run."""
    if port_of_up == str(our_port):
        return [ok(f"these are the servers that `flatrender up` runs in {file.parent}")]
    if port_of_up is not None:
        return [
            warning(
                f"`flatrender up` runs in {file.parent}, and these settings name other servers",
                f"to look at its servers run `flatrender --env {file} doctor`",
            )
        ]
    if not configured:
        return [
            warning(
                "no FLATRENDER_DATABASE_, FLATRENDER_VALKEY_ or FLATRENDER_STORAGE_ setting is "
                "given: the default addresses are looked at",
                "`flatrender up` and `demo` start servers of their own and need none of these; "
                "for a deployment of yours give its settings, as with --env FILE",
            )
        ]
    return []
