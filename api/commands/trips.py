"""``mitoyen trips``: carpooling on a terminal."""

import typer

from api.commands.trips_assign import assign
from api.commands.trips_match import match
from api.commands.trips_show import show
from api.commands.trips_week import week

__all__ = ["register"]

trips_app = typer.Typer(no_args_is_help=True, help="Carpooling: who goes whose way.")
trips_app.command("match")(match)
trips_app.command("week")(week)
trips_app.command("show")(show)
trips_app.command("assign")(assign)


def register(app: typer.Typer) -> None:
    """Add ``trips`` to the command line."""
    app.add_typer(trips_app, name="trips")


@trips_app.callback()
def trips() -> None:
    """Carpooling: who goes whose way, on which days, at which hours."""
