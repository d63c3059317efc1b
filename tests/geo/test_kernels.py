"""Kernels load wherever the package can be read."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import geo

ASK = "from geo import haversine_m; print(haversine_m((5.0, 43.0), [[5.0, 44.0]]).round().item())"


@pytest.fixture
def unwritable(tmp_path):
    """A copy of the room in which nothing can be cached, not even by root."""
    shutil.copytree(Path(geo.__file__).parent, tmp_path / "geo", ignore=lambda *_: ["__pycache__"])
    (tmp_path / "geo" / "__pycache__").touch()
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
def test_kernels_load_where_no_folder_can_be_written(unwritable, name):
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(unwritable),
            "TMPDIR": str(unwritable / "tmp"),
            name: "/dev/null",
        },
        cwd=unwritable,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "111195.0\n"
    assert sorted(path.name for path in unwritable.iterdir()) == ["geo", "tmp"]
    assert list((unwritable / "tmp").iterdir()) == []


def test_a_kernel_is_compiled_anew_when_what_it_calls_has_changed(tmp_path):
    caller = (
        "from numba import njit\nfrom geo.kernels import forget_stale\nfrom called import one\n"
        "@njit(cache=True)\ndef two():\n    return one() + one()\n"
        "forget_stale(two, 'called')\nprint(two())\n"
    )
    (tmp_path / "caller.py").write_text(caller)
    called = tmp_path / "called.py"
    printed = []
    for value in (1, 21):
        called.write_text(f"from numba import njit\n@njit\ndef one():\n    return {value}\n")
        os.utime(called)
        printed.append(
            subprocess.run(
                [sys.executable, "-B", "-c", "import caller"],
                env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(geo.__file__).parents[1]}"},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
    assert printed == ["2\n", "42\n"]
