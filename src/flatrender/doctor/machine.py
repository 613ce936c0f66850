"""This machine and this configuration: Python, libraries, disk, the port, unsafe values."""

import http.client
import ipaddress
import shutil
import sys
from pathlib import Path

import msgspec

from flatrender.doctor.finding import Finding, error, ok, warning
from flatrender.embedded.folder import is_free
from flatrender.plugin import PluginError, check_manifests, discover
from flatrender.settings import Settings, unsafe_values
from flatrender.syslibs import install_line, missing

OLDEST_PYTHON = (3, 11)
DISK_ERROR = 512 * 2**20
DISK_WARNING = 4 * 2**30


def examine_machine(settings: Settings) -> list[Finding]:
    """Look at everything that needs no server."""
    port = settings.http.port
    return [
        judge_python(sys.version_info[:3]),
        judge_libraries(missing()),
        judge_disk(settings.core.data_dir, _free_bytes(Path(settings.core.data_dir))),
        judge_port(port, free=is_free(port), ours=_answers_as_ours(port)),
        *_plugins(settings),
    ]


def examine_settings(settings: Settings) -> list[Finding]:
    """Say which values production would refuse, where they are in danger already.

    A process with unsafe values in production does not start at all, so what is left is a
    development configuration that listens to the world.
    """
    if settings.production:
        return [ok("the settings are fit for production")]
    if _is_loopback(settings.http.host):
        return [ok(f"{settings.core.environment} settings, reachable from this machine only")]
    core = msgspec.structs.replace(settings.core, environment="production")
    refused = unsafe_values(msgspec.structs.replace(settings, core=core))
    return [
        warning(
            f"{settings.core.environment} settings listen on {settings.http.host}: {line}",
            "set FLATRENDER_ENVIRONMENT=production and correct the value, or listen on 127.0.0.1",
        )
        for line in refused
    ]


def judge_python(version: tuple[int, int, int]) -> Finding:
    """Judge the interpreter's version."""
    shown = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return error(
            f"Python {shown} is too old", "install Python 3.11 or newer and run make setup"
        )
    return ok(f"Python {shown}")


def judge_libraries(absent: list[str]) -> Finding:
    """Judge the drawing engine's system libraries."""
    if absent:
        return error(
            f"the drawing engine lacks {', '.join(absent)}",
            f"run `python -m flatrender.syslibs`, or {install_line()}",
        )
    return ok("the drawing engine's system libraries are here")


def judge_disk(folder: str, free: int) -> Finding:
    """Judge the free bytes of the disk that holds ``folder``."""
    shown = f"{free / 2**30:.1f} GiB are free for {folder}"
    cure = "free some space or set FLATRENDER_DATA_DIR to a folder on another disk"
    if free < DISK_ERROR:
        return error(f"only {shown}", cure)
    if free < DISK_WARNING:
        return warning(f"only {shown}: renders may not fit", cure)
    return ok(shown)


def judge_port(port: int, *, free: bool, ours: bool) -> Finding:
    """Judge the API's port: free, answered by FlatRender, or taken."""
    if ours:
        return ok(f"FlatRender answers on port {port}")
    if free or port == 0:
        return ok(f"port {port} is free for the API")
    return error(
        f"port {port} is in use by another program",
        "stop that program or set FLATRENDER_HTTP_PORT",
    )


def _plugins(settings: Settings) -> list[Finding]:
    try:
        installed = discover()
        problems = check_manifests(installed)
    except PluginError as fault:
        installed, problems = {}, fault.problems
    except ImportError as fault:
        installed, problems = {}, [f"a context cannot be imported: {fault}"]
    problems += [
        f"no context is named {name!r}"
        for name in settings.core.plugins
        if installed and name not in installed
    ]
    if problems:
        fix = "correct FLATRENDER_PLUGINS or reinstall the plugin"
        return [error(line, fix) for line in problems]
    return [ok(f"{len(installed)} contexts are installed and fit together")]


def _free_bytes(folder: Path) -> int:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _answers_as_ours(port: int) -> bool:
    if port == 0:
        return False
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
