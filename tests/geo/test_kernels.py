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
