"""`./run` makes an environment once, and then gets out of the way."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Stands in for Python, and for the pip and venv in it: writes down what it is asked for.
PYTHON = """#!/bin/sh
echo "$*" >>"$RECORD"
case $* in
    *' venv '*)
        for venv; do :; done
        mkdir -p "$venv/bin"
        cp "$0" "$venv/bin/python"
        cp "$0" "$venv/bin/mitoyen"
        ;;
esac
"""


class Checkout:
    """A checkout in a folder with a space in its name, on a machine of a few programs."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a place"
        self.record = folder / "record"
        (self.root / "benchmarks").mkdir(parents=True)
        (self.root / "benchmarks" / "bench_near.py").touch()
        for name in ("run", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root)
        (self.root / ".ci").mkdir()
        (self.root / ".ci" / "postgis").symlink_to("/bin/true")
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("sh", "cat", "cksum", "cp", "dirname", "flock", "grep", "id", "mkdir", "rm"):
            if found := shutil.which(name):
                (self.bin / name).symlink_to(found)
        self.add("python3", PYTHON)

    def add(self, name: str, program: str) -> None:
        (self.bin / name).write_text(program)
        (self.bin / name).chmod(0o755)

    def run(self, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """What it said, and what was asked of Python, the check of its version aside."""
        self.record.write_text("")
        done = subprocess.run(
            [self.root / "run", *arguments],
            cwd=self.root.parent,
            env={"PATH": str(self.bin), "RECORD": str(self.record)},
            capture_output=True,
            text=True,
            check=False,
        )
        asked = self.record.read_text().splitlines()
        return done, [line for line in asked if not line.startswith("-c import sys")]


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def test_the_first_call_installs_and_later_ones_only_pass_on(checkout):
    done, asked = checkout.run("near", "--text", "a  b")
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in asked[:2]] == [["-m", "venv"], ["-m", "pip"]]
    assert asked[-2].endswith("install --quiet -c constraints.txt -e .")
    assert asked[-1] == "near --text a  b"
    done, asked = checkout.run("near")
    assert asked == ["near"]
    assert done.stdout == done.stderr == ""


def test_nothing_but_the_command_writes_to_standard_output(checkout):
    checkout.add("python3", PYTHON + 'echo "chatter"\n')
    done, _ = checkout.run("near", "--json")
    assert done.stdout == "chatter\n"  # the command's own: the same program under another name
    assert "chatter" in done.stderr


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_again(checkout, name):
    checkout.run("near")
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    _, asked = checkout.run("near")
    assert any("install" in line for line in asked)
    assert not any(" venv " in line for line in asked)


def test_extras_are_installed_by_need_and_serve_the_command_too(checkout):
    _, asked = checkout.run("bench", "near", "--points", "10")
    assert asked[-2].endswith("-e .[bench]")
    assert asked[-1] == "-m benchmarks.bench_near --points 10"
    _, asked = checkout.run("near")
    assert asked == ["near"]


def test_a_moved_checkout_gets_a_new_environment(checkout):
    checkout.run("near")
    checkout.root = checkout.root.rename(checkout.root.with_name("elsewhere"))
    _, asked = checkout.run("near")
    assert any(" venv " in line for line in asked)


def test_a_failed_install_is_tried_again(checkout):
    checkout.add("python3", PYTHON + 'case $* in *" install "*) exit 7 ;; esac\n')
    done, asked = checkout.run("near")
    assert done.returncode == 7
    assert asked[-1] != "near"
    checkout.add("python3", PYTHON)
    done, asked = checkout.run("near")
    assert done.returncode == 0
    assert asked[-1] == "near"


def test_pip_takes_over_where_uv_fails(checkout):
    checkout.add("uv", "#!/bin/sh\nexit 2\n")
    done, asked = checkout.run("near")
    assert done.returncode == 0, done.stderr
    assert asked[-1] == "near"


def test_an_old_python_is_refused_in_words(checkout):
    checkout.add("python3", "#!/bin/sh\nexit 1\n")
    done, _ = checkout.run("near")
    assert done.returncode == 1
    assert "Python 3.11 or later is needed" in done.stderr


def test_a_missing_pip_is_named_with_its_cure(checkout):
    checkout.add("python3", PYTHON + 'case $* in *"-m pip"*) exit 1 ;; esac\n')
    done, _ = checkout.run("near")
    assert done.returncode == 1
    assert "apt-get install python3-pip" in done.stderr


def test_an_unknown_benchmark_lists_those_there_are(checkout):
    done, asked = checkout.run("bench", "nope")
    assert done.returncode == 2
    assert not any("install" in line for line in asked)
    assert "  near\n" in done.stderr
