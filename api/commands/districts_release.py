"""``mitoyen districts release`` and ``settings``: what a quarter is drawn with, and drawing it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from api.commands.common import (
    JsonOption,
    LangOption,
    StoreOption,
    TenantOption,
    note,
    opened,
    print_json,
    print_table,
    the_tenant,
)
from api.commands.words import heads, plain, say
from api.districts_answers import head_answer
from api.districts_words import Lang, number_text
from geo.errors import InputError
from indexes.district_facts import Quarter
from indexes.releases import Release
from matching.planning.measures import EPSILONS
from matching.planning.releasing import release_quarter
from matching.planning.settings import change_settings, settings_of

__all__ = ["GOAL_GAP", "make_release", "settings"]

TOLD = ("iris_h", "iris", "quartier", "arrondissement", "commune", "cell")
GOAL_GAP = "goal_gap"  # has a category for each goal

GoalOption = Annotated[
    list[float] | None,
    typer.Option(metavar="SHARE", help="Of households aimed at, such as 0.05; repeatable."),
]
EpsilonOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FAMILY=ε", help=f"Of {', '.join(EPSILONS)}; repeatable."),
]


def make_release(
    quarter: Annotated[str, typer.Argument(metavar="QUARTER", help="Such as 2026Q3; it is over.")],
    goal: GoalOption = None,
    epsilon: EpsilonOption = None,
    vintage: Annotated[
        int | None, typer.Option(metavar="YEAR", help="Of the zones; by default the newest.")
    ] = None,
    correct: Annotated[
        bool,
        typer.Option("--correct", help="A further version, of the same draws."),
    ] = False,
    lang: LangOption = "fr",
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a quarter's figures, once, and keep them; asked again, tell what was kept.

    With the town's goals and ε (`districts settings`), unless others are given for this one.
    """
    chosen = Quarter.parse(quarter)
    epsilons = epsilons_of(epsilon or ())
    now = datetime.now(UTC)
    with opened(store, create=False) as kept:
        tenant_id = the_tenant(kept, tenant)
        with Console(stderr=True).status(f"Counting and drawing {chosen}"):
            made = release_quarter(
                kept,
                tenant_id,
                chosen,
                created_at=now,
                epsilons=epsilons,
                goals=goal or None,
                vintage=vintage,
                correct=correct,
            )
    if as_json:
        print_json(head_answer(made))
    else:
        show_release(made, lang)
        if made.created_at < now.replace(microsecond=0):
            note(say("drawn-before", lang, f"{made.created_at.astimezone(UTC):%F %H:%M}"))


def epsilons_of(given: Iterable[str]) -> dict[str, float]:
    """ε by family, as given as ``family=ε``.

    Raises
    ------
    InputError
        If a family or a number is none.
    """
    chosen = {}
    for text in given:
        family, _, number = text.partition("=")
        if family not in EPSILONS:
            raise InputError(f"--epsilon: families are {', '.join(EPSILONS)}, got {family[:40]!r}")
        try:
            chosen[family] = float(number)
        except ValueError as error:
            raise InputError(f"--epsilon: {family}= wants a number") from error
    return chosen


def settings(
    goal: GoalOption = None,
    epsilon: EpsilonOption = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="First back to the defaults of all goals and ε.")
    ] = False,
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell or choose a town's goals and ε, for releases to come: those made stay as they are."""
    epsilons = epsilons_of(epsilon or ())
    with opened(store, create=False) as kept:
        tenant_id = the_tenant(kept, tenant)
        if goal or epsilons or reset:
            change_settings(kept, tenant_id, goals=goal or None, epsilons=epsilons, reset=reset)
        chosen = settings_of(kept, tenant_id)
    told = {**chosen.epsilons, "total": sum(chosen.epsilons.values())}
    if as_json:
        print_json({"tenant": tenant_id, "goals": chosen.goals, "epsilon": told})
        return
    print_epsilon(f"Settings of {tenant_id}", told, "en")
    note(f"goals: {', '.join(f'{100 * goal:g} %' for goal in chosen.goals)} of households")


def print_epsilon(title: str, told: Mapping[str, float], lang: Lang) -> None:
    """ε by family, as a table."""
    lines = [(family, plain(value, lang)) for family, value in told.items()]
    print_table(title, heads(lang, "family", "ε"), lines, (1,))


def show_release(made: Release, lang: Lang) -> None:
    """What a release says of itself, as tables."""
    print_epsilon(f"{made.id}, version {made.version}", made.head["epsilon"], lang)
    shares = made.head["visible"]
    levels = [level for level in TOLD if any(level in told for told in shares.values())]
    rows = []
    for name, told in shares.items():
        measure, _, category = name.partition("__")
        if not category or measure == GOAL_GAP:
            cells = [
                number_text(round(100 * told[level]), "percent", lang) if level in told else None
                for level in levels
            ]
            rows.append((name, *cells))
    columns = (level.replace("arrondissement", "arrond.") for level in levels)
    numbers = range(1, 1 + len(levels))
    print_table(say("visible", lang), (say("measure", lang), *columns), rows, numbers)
