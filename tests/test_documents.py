"""The documents tell the truth: what they show runs, and nothing there is goes untold.

The README is run from top to bottom in an empty home, as a reader would: ``sh`` fences by the
shell, ``python`` fences as doctests, other fences not at all. A server is left running for the
commands after it; what a test can't do (clone, install, test itself) is left out.
"""

import ast
import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_S, lent_port, until_ready

from api.app import create_app
from api.cli import COMMANDS
from api.settings import Settings
from geo import errors

ROOT = Path(__file__).parents[1]
ROOMS = ["geo", "indexes", "matching", "api"]
README = ROOT / "README.md"
DOCUMENTS = [README, *(ROOT / room / "README.md" for room in ROOMS)]

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_HERE = ("git clone ", "cd ", "sudo ", "pip install ", "./run test", "./run bench")
SERVER = re.compile(r"^\./run (serve|demo(?!.*--once))\b")
DOCTEST_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Reader:
    """Somebody who types what a document shows, in a home of their own."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.servers: list[subprocess.Popen[bytes]] = []
        for path in ROOT.iterdir():
            if path.name not in ("run", ".git"):
                (home / path.name).symlink_to(path)
        # The same entry point as `./run`'s, in the environment that runs the tests.
        run = home / "run"
        code = "import sys; from api.cli import main; sys.exit(main())"
        run.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
        run.chmod(0o755)
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "MITOYEN_PORT": str(self.port),
        }

    def types(self, script: str) -> None:
        """Run the lines of one ``sh`` fence, a server in the background."""
        script = script.replace("\\\n", " ").replace(":8000", f":{self.port}")
        lines = [line for line in script.splitlines() if not line.startswith(NOT_HERE)]
        if not shutil.which("curl"):
            lines = [line for line in lines if "curl " not in line]
        for server in filter(SERVER.match, lines):
            self.serve(server)
        rest = "\n".join(line for line in lines if not SERVER.match(line))
        done = subprocess.run(
            ["sh", "-euc", rest],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{rest}\n{done.stdout}\n{done.stderr}"

    def serve(self, command: str) -> None:
        server = subprocess.Popen(
            ["sh", "-c", f"exec {command.partition('#')[0]}"],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.DEVNULL,
        )
        self.servers.append(server)
        until_ready(url=f"http://127.0.0.1:{self.port}/readyz", process=server)

    def leaves(self) -> None:
        for server in self.servers:
            server.terminate()
            server.wait(PATIENCE_S)


@pytest.fixture
def reader(tmp_path, monkeypatch):
    with lent_port() as port:
        reader = Reader(tmp_path, port)
        monkeypatch.chdir(tmp_path)
        for name, value in reader.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
        yield reader
        reader.leaves()


def test_every_command_and_snippet_of_the_readme_runs(reader):
    known: dict[str, object] = {}
    ran = 0
    for language, text in FENCE.findall(README.read_text()):
        if language == "sh":
            reader.types(text)
        elif language == "python":
            known |= run_doctest(text, known)
        ran += language in ("sh", "python")
    assert ran


def run_doctest(text: str, known: dict[str, object]) -> dict[str, object]:
    test = doctest.DocTestParser().get_doctest(text, dict(known), "README.md", None, None)
    assert test.examples, f"a python fence without >>>:\n{text}"
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=DOCTEST_FLAGS)
    runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)
    return test.globs


@pytest.fixture(scope="module")
def told() -> str:
    return "\n".join(path.read_text() for path in DOCUMENTS if path.exists())


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_says_what_it_holds(room):
    assert (ROOT / room / "README.md").exists()


def test_every_setting_is_documented(told):
    settings = [f"MITOYEN_{name.upper()}" for name in Settings.model_fields]
    assert [name for name in settings if f"`{name}`" not in told] == []


def test_every_endpoint_is_documented(told):
    paths = create_app(Settings(store="unused.db")).openapi()["paths"]
    assert [
        path for path in paths if not re.search(rf"(?<![\w/]){re.escape(path)}(?![\w/{{])", told)
    ] == []


def test_every_command_is_documented(told):
    assert [name for name in COMMANDS if not re.search(rf"(\./run|mitoyen) {name}\b", told)] == []


def test_every_error_is_documented(told):
    assert [code for code in sorted(error_codes()) if f"`{code}`" not in told] == []


def error_codes() -> set[str]:
    """Codes of the error classes, and those given where one is raised."""
    codes = {error.code for error in vars(errors).values() if hasattr(error, "code")}
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.keyword(arg="code", value=ast.Constant(value=str(code))):
                    codes.add(code)
    return codes
