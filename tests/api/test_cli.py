"""The command line: quick help, one line for an error, codes for scripts."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import COMMANDS, command_line, main
from api.version import VERSION


def test_help_lists_every_command_and_imports_no_engine():
    program = (
        "import sys; from api.cli import main\n"
        "main(['--help'])\n"
        "loaded = {'fastapi', 'sqlalchemy', 'pyarrow', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for command in COMMANDS:
        assert f" {command} " in ran.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_registered_under_its_name_and_has_help(command):
    told = CliRunner().invoke(command_line(command), [command, "--help"])
    assert told.exit_code == 0 and "--help" in told.output


def test_the_version_is_told(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mitoyen {VERSION}\n"


def test_an_error_is_one_line_and_code_2(capsys, tmp_path):
    store = str(tmp_path / "a.db")
    assert main(["near", "--lat", "43.3", "--store", store]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("mitoyen: ") and told.err.count("\n") == 1


@pytest.mark.parametrize("args", [["neer"], ["near", "--latitude", "1"], ["near", "--limit", "x"]])
def test_a_wrong_word_is_a_usage_error(args, capsys):
    assert main(args) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_output_that_cannot_be_written_is_one_line_and_code_2():
    program = "import sys; from api.cli import main; sys.exit(main(['--version']))"
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (told.returncode, told.stderr) == (2, "mitoyen: [Errno 28] No space left on device\n")


def test_an_interrupt_leaves_quietly(monkeypatch):
    def interrupted(command):
        raise KeyboardInterrupt

    monkeypatch.setattr("api.cli.command_line", interrupted)
    assert main(["near"]) == 130
