"""The command ``mitoyen``: one file per command, imported only when it is asked for."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from api.version import VERSION
from geo.errors import MitoyenError

__all__ = ["COMMANDS", "main"]

# Command -> the file in `api/commands` that registers it, and its line in `mitoyen --help`,
# which stands here so that asking for help imports no engine.
COMMANDS: dict[str, tuple[str, str]] = {
    "near": ("near", "Find what is near a place, or near a member's home."),
    "trips": ("trips", "Carpool: who goes my way; riders and drivers of a town, paired."),
    "recommend": ("recommend", "Find what a member may like, by people near and trusted."),
    "serve": ("serve", "Serve the HTTP interface."),
    "demo": ("demo", "Show a sample town, then serve it."),
    "import": ("imports", "Read listings, buildings and people from files."),
    "zones": ("zones", "Load official districts (IRIS) from files, or fetch them."),
    "locate": ("zones", "Tell the district of a point."),
    "groups": ("groups", "Build the published groups that people are shown at."),
    "districts": ("districts", "Figures by district: released, read, written, drawn."),
    "keys": ("keys", "Make, list and revoke keys to the HTTP interface."),
    "sample": ("sample", "Fill a store with a generated town."),
    "copy": ("stores", "Copy a store into an empty one."),
    "backup": ("stores", "Write a store to a file."),
    "restore": ("stores", "Fill an empty store from a backup."),
    "doctor": ("doctor", "Tell what runs here, what is wrong with it, and what to do."),
}

USAGE_ERROR = 2
INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mitoyen {VERSION}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """Who or what near me suits me, and can I trust it?"""


def command_line(command: str | None) -> typer.Typer:
    """The command line as one invocation needs it: with the code of one command only.

    Parameters
    ----------
    command : str, optional
        The one that is asked for; another name, or none, gives help alone.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
    app.callback()(_options)
    if command in COMMANDS:
        import_module(f"api.commands.{COMMANDS[command][0]}").register(app)
    else:
        for name, (_, line) in COMMANDS.items():
            app.command(name, help=line)(lambda: None)
    return app


def main(args: Sequence[str] | None = None) -> int:
    """Run ``mitoyen``: 0 done, 2 refused, and why on standard error, 130 interrupted.

    Parameters
    ----------
    args : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The code to leave with.
    """
    given = list(sys.argv[1:] if args is None else args)
    try:
        command_line(given[0] if given else None)(given, prog_name="mitoyen")
    except MitoyenError as error:
        typer.echo(f"mitoyen: {error}", err=True)
        return USAGE_ERROR
    except OSError as error:  # what is told can't be written, as to a full disk
        typer.echo(f"mitoyen: {error}", err=True)
        # Python would try once more as it leaves, and fail with a complaint of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as left:  # how a typer app ends
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
