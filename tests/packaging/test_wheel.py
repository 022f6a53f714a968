"""The wheel, built and installed by the very commands of the Dockerfile, in a place of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from support.dockerfile import ROOT, Instruction, instructions

from listenback import cli

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.release,  # it installs everything once more
    pytest.mark.timeout(900),
]


def build_stage() -> list[Instruction]:
    """What happens in the first stage after FROM and WORKDIR."""
    return [one for one in instructions() if one.stage == 0 and one.name in {"COPY", "RUN"}]


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """A folder that stands for the image's root: the COPY and RUN lines have been carried out."""
    root = tmp_path_factory.mktemp("image")
    work = root / "src"
    work.mkdir()
    for one in build_stage():
        if one.name == "COPY":
            *sources, target = one.words
            for source in sources:
                inside = work / target / source if target.endswith("/") else work / target
                copy(ROOT / source, inside)
        else:
            words = [word.replace("/opt/", f"{root}/opt/") for word in one.words]
            words[0] = sys.executable if words[0] == "python" else words[0]
            done = subprocess.run(words, cwd=work, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return root


@pytest.fixture(scope="module")
def wheel(image) -> zipfile.ZipFile:
    (path,) = (image / "src" / "dist").glob("listenback-*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture
def listenback(image, tmp_path):
    """Runs the installed command, far from the repository."""
    variables = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = f"{image}/opt/listenback/bin:/usr/bin:/bin"

    def run(*args: str) -> str:
        done = subprocess.run(
            [f"{image}/opt/listenback/bin/listenback", *args],
            cwd=tmp_path,
            env={**variables, "PATH": path, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def tracked(pattern: str) -> set[str]:
    found = (path for path in ROOT.glob(pattern) if "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)) for path in found if path.is_file()}


def test_the_wheel_holds_every_module_template_and_marker(wheel):
    names = set(wheel.namelist())
    for package in ("streams", "analytics", "listenback"):
        wanted = tracked(f"{package}/**/*")
        assert f"{package}/py.typed" in wanted
        assert wanted <= names


def test_the_wheel_holds_the_definitions_and_nothing_foreign(wheel):
    names = set(wheel.namelist())
    config = tracked("config/**/*")
    assert config
    assert {f"listenback/{name}" for name in config} <= names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "streams",
        "analytics",
        "listenback",
    }


def test_each_requirement_of_the_wheel_is_locked_with_hashes(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    text = wheel.read(metadata).decode()
    required = re.findall(r"^Requires-Dist: ([\w-]+)(.*)", text, re.MULTILINE)
    locks = {name: (ROOT / "requirements" / name).read_text() for name in ("run.txt", "dev.txt")}
    assert {"extra" in rest for _, rest in required} == {True, False}
    for name, rest in required:  # extras are locked where their tests run
        lock = locks["dev.txt" if "extra ==" in rest else "run.txt"]
        assert re.search(rf"^{re.escape(name)}==\S+.*\\\n\s+--hash=sha256:", lock, re.MULTILINE)


def test_the_installed_command_runs_far_from_the_repository(listenback, image):
    versions = json.loads(listenback("version", "--json"))
    assert listenback("--version").split()[1] == versions["listenback"]
    where = listenback("config", "show", "--origin")
    assert str(ROOT) not in where
    assert str(image) not in where


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_of_the_wheel_imports(name, listenback):
    assert f"listenback {name}" in listenback(name, "--help")
