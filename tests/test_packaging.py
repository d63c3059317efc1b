"""What is installed is what was built here: the rooms, what they read, and nothing else."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
ROOMS = ["geo", "indexes", "matching", "api"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return zipfile.ZipFile(built)


def test_the_wheel_holds_exactly_the_files_of_the_four_rooms(wheel):
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *ROOMS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    assert packed == set(tracked.stdout.splitlines())


def test_the_wheel_brings_the_licence_and_one_command(wheel):
    texts = {
        name.partition(".dist-info/")[2]: wheel.read(name).decode()
        for name in wheel.namelist()
        if ".dist-info/" in name
    }
    assert texts["licenses/LICENSE"] == (ROOT / "LICENSE").read_text()
    assert texts["entry_points.txt"].split() == [
        "[console_scripts]",
        "mitoyen",
        "=",
        "api.cli:main",
    ]


def test_the_wheel_answers_without_the_checkout(wheel, tmp_path):
    wheel.extractall(tmp_path / "site")
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "import api.cli; print(api.__file__); api.cli.main()",
            "--help",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site"), "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    assert "near" in done.stdout


def test_each_library_imported_is_a_dependency_and_each_dependency_is_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[\[>]", line)[0] for line in project["dependencies"]}
    imported = set()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names):
                    imported |= {alias.name.partition(".")[0] for alias in names}
                case ast.ImportFrom(module=str(module), level=0):
                    imported.add(module.partition(".")[0])
    libraries = imported - set(sys.stdlib_module_names) - set(ROOMS)
    distributions = packages_distributions()
    needed = {distributions[name][0].lower().replace("_", "-") for name in libraries}
    # zoneinfo reads tzdata where the system has no time zones of its own; scikit-learn is the
    # project's library for learned ranking, which only benchmarks compare with so far; uvicorn
    # parses with httptools and runs on uvloop.
    assert needed | {"tzdata", "scikit-learn", "httptools", "uvloop"} == declared
