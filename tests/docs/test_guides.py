"""The guides of docs/extend, followed literally: files are written, commands are run, in the order of the pages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import saebench

REPOSITORY = Path(saebench.__file__).parents[1]
GUIDES = Path(__file__).parents[2] / "docs" / "extend"
ORDER = ("index", "architecture", "task", "baseline", "family", "data")
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder to work in, and the environment of a reader: a venv of its own that sees what is installed here."""
    root = tmp_path_factory.mktemp("reader")
    venv = root / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    paths = {"base": str(venv), "platbase": str(venv)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    seen = [sysconfig.get_path("purelib"), str(REPOSITORY)]
    (packages / "what_is_installed_here.pth").write_text("\n".join(seen))
    command = venv / "bin" / "saebench"
    command.write_text(f"#!{venv / 'bin' / 'python'}\nfrom saebench.cli.main import main\n\nmain()\n")
    command.chmod(0o755)
    work = root / "work"
    work.mkdir()
    return work, {**os.environ, "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(venv)}


@pytest.mark.parametrize("name", ORDER)
def test_what_a_guide_says_works(name, desk):
    work, environment = desk
    for language, title, body in BLOCK.findall((GUIDES / f"{name}.md").read_text("utf-8")):
        if title:
            target = work / title.removeprefix("add to ")
            target.parent.mkdir(parents=True, exist_ok=True)
            before = target.read_text("utf-8") + "\n" if title.startswith("add to ") else ""
            target.write_text(before + body, "utf-8")
        elif language == "bash":
            for line in filter(None, body.splitlines()):
                done = subprocess.run(
                    ["bash", "-c", line], cwd=work, env=environment, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, f"$ {line}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def test_every_guide_is_followed():
    assert {page.stem for page in GUIDES.glob("*.md")} == set(ORDER)
