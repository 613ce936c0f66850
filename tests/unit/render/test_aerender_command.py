"""Command lines per version, installations, the clean environment, settings."""

from pathlib import Path

import pytest

from flatrender_render.engines.aerender.command import (
    RenderOrder,
    render_command,
    script_command,
)
from flatrender_render.engines.aerender.installs import (
    Install,
    clean_environment,
    find_installs,
    version_of,
)
from flatrender_render.engines.aerender.settings import AerenderSettings, from_environment

ORDER = RenderOrder(
    project=Path("/p/bound.aep"),
    comp="frfinal",
    output=Path("/o/f_[#####].tif"),
    template="TIFF Sequence with Alpha",
    first=60,
    last=119,
)


def install(version: int) -> Install:
    """Return an installation."""
    return Install(aerender="/ae/aerender", afterfx="/ae/AfterFX", version=version)


def test_the_command_line_from_2022_on() -> None:
    assert render_command(install(22), ORDER) == [
        "/ae/aerender", "-project", "/p/bound.aep", "-comp", "frfinal",
        "-output", "/o/f_[#####].tif", "-OMtemplate", "TIFF Sequence with Alpha",
        "-s", "60", "-e", "119", "-i", "1", "-v", "ERRORS_AND_PROGRESS",
        "-close", "DO_NOT_SAVE_CHANGES", "-sound", "OFF", "-mfr", "ON", "90",
    ]  # fmt: skip


@pytest.mark.parametrize("version", [16, 17, 18])
def test_before_2022_several_processes_take_the_place_of_multi_frame_rendering(
    version: int,
) -> None:
    command = render_command(install(version), ORDER)
    assert command[-1] == "-mp"
    assert "-mfr" not in command


def test_no_version_takes_a_script_by_aerender() -> None:
    assert all("-r" not in render_command(install(v), ORDER) for v in (18, 24))
    assert script_command(install(24), Path("/s/bind.jsx")) == [
        "/ae/AfterFX", "-noui", "-r", "/s/bind.jsx",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/Applications/Adobe After Effects 2024/aerender", 24),
        (r"C:\Program Files\Adobe\Adobe After Effects 2022\Support Files\aerender.exe", 22),
        (r"C:\Program Files\Adobe\Adobe After Effects 2021\Support Files\aerender.exe", 18),
        ("/Applications/Adobe After Effects CC 2019/aerender", 16),
        ("/opt/ae/aerender", 24),
    ],
)
def test_versions_by_folder(path: str, version: int) -> None:
    assert version_of(path) == version


def test_installations_are_found_newest_first(tmp_path: Path) -> None:
    programs = []
    for year in (2021, 2024, 2022):
        program = tmp_path / f"Adobe After Effects {year}" / "aerender"
        program.parent.mkdir()
        program.touch()
        programs.append(str(program))
    settings = AerenderSettings(programs=(*programs, str(tmp_path / "gone" / "aerender")))
    assert [found.version for found in find_installs(settings, "linux")] == [24, 22, 18]


def test_on_windows_the_console_program_is_preferred(tmp_path: Path) -> None:
    folder = tmp_path / "Adobe After Effects 2024" / "Support Files"
    folder.mkdir(parents=True)
    (folder / "aerender.exe").touch()
    settings = AerenderSettings(programs=(str(folder / "aerender.exe"),))
    (found,) = find_installs(settings, "win32")
    assert found.afterfx.endswith("AfterFX.exe")
    (folder / "AfterFX.com").touch()
    (found,) = find_installs(settings, "win32")
    assert found.afterfx.endswith("AfterFX.com")


def test_nothing_of_ours_is_in_its_environment() -> None:
    ours = {"PATH": "/bin", "Path": "x", "HOME": "/h", "PYTHONPATH": "/p", "LC_ALL": "fa_IR",
            "FLATRENDER_SECURITY_SECRET_KEY": "secret", "HTTPS_PROXY": "http://p"}  # fmt: skip
    assert clean_environment(ours) == {
        "PATH": "/bin", "Path": "x", "HOME": "/h", "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8",
    }  # fmt: skip


def test_settings_from_the_environment() -> None:
    found = from_environment({
        "FLATRENDER_AERENDER": "/a/aerender:/b/aerender",
        "FLATRENDER_AERENDER_OUTPUT_TEMPLATE": "PNG Sequence",
        "FLATRENDER_AERENDER_OUTPUT_SUFFIX": ".png",
        "FLATRENDER_AERENDER_FRAME_SECONDS": "7.5",
        "FLATRENDER_AERENDER_MFR": "50",
    })  # fmt: skip
    assert found.programs == ("/a/aerender", "/b/aerender")
    assert (found.output_template, found.output_suffix) == ("PNG Sequence", ".png")
    assert (found.patience.frame, found.patience.launch, found.mfr) == (7.5, 180.0, 50)
