"""The files that run a node as a service say what the command understands, and nothing else."""

import re
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from flatrender_render.node import cli
from flatrender_render.node.settings import read_settings

NODE = Path(__file__).parents[3] / "config" / "node"
UNIT = (NODE / "flatrender-node.service").read_text()
SCRIPT = (NODE / "install-windows.ps1").read_text()


@pytest.mark.parametrize("text", [UNIT, SCRIPT], ids=["systemd", "windows"])
def test_settings_have_the_names_that_a_node_reads(text: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 40)
    values = {
        "FLATRENDER_NODE_URL": "https://api.example.com",
        "FLATRENDER_NODE_ID": str(uuid4()),
        "FLATRENDER_NODE_SECRET_FILE": str(secret),
        "FLATRENDER_NODE_FOLDER": str(tmp_path),
        "FLATRENDER_NODE_SLOTS": "3",
    }
    named = set(re.findall(r"FLATRENDER_NODE_[A-Z_]+", text))
    assert {"FLATRENDER_NODE_URL", "FLATRENDER_NODE_ID", "FLATRENDER_NODE_SECRET_FILE"} <= named
    assert named <= values.keys()
    read_settings({name: values[name] for name in named})


def test_who_is_refused_is_not_started_again() -> None:
    """2 is click's for misuse, 3 what the farm refuses, 75 a wish to be started again."""
    (kept_down,) = re.findall(r"^RestartPreventExitStatus=(.*)$", UNIT, re.MULTILINE)
    assert set(kept_down.split()) == {"2", "3"}
    assert set(re.findall(r"%ERRORLEVEL%==(\d+) exit", SCRIPT)) == {"2", "3"}
    assert str(cli.RESTART) not in kept_down.split()
    assert re.search(r"^Restart=always$", UNIT, re.MULTILINE)


def test_the_unit_is_what_systemd_reads(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd here")
    program = tmp_path / "flatrender"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "flatrender-node.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={program}", UNIT, flags=re.MULTILINE))
    found = subprocess.run(
        [verify, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    ours = [line for line in found.stderr.splitlines() if "flatrender" in line]
    assert ours == []
