"""`mitoyen recommend`: what a member may like, on a terminal."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from api.commands.common import (
    JsonOption,
    LangOption,
    StoreOption,
    TenantOption,
    checked,
    note,
    opened,
    print_json,
    print_table,
    the_tenant,
    working,
)
from api.commands.near import COLUMNS, rows_of
from api.commands.words import count, heads, metres, number, say
from api.models import ModelFile
from api.recommend_schemas import RecommendParams, recommend_answer, recommend_query
from api.settings import Settings
from geo.errors import InputError
from indexes.entities import Tenant
from indexes.store import Store
from matching.engine import Engine
from matching.query import Viewer

__all__ = ["register"]

OF = ("auc", "p10", "r10")  # what is told of how well something foretells


def asked(**options: Any) -> RecommendParams:
    """The options, checked as a query string is.

    Raises
    ------
    InputError
        Naming the options at fault.
    """
    return checked(RecommendParams, options)


def recommend(
    context: typer.Context,
    member: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Member who asks, from home.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Kinds; repeat, or use commas.")] = None,
    q: Annotated[str | None, typer.Option(help="Only what matches these words.")] = None,
    known: Annotated[
        bool, typer.Option("--known", help="Also what the member recommends or has used.")
    ] = False,
    at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="RFC 3339, with offset; default now.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, 1 to 20.")] = 20,
    lang: Annotated[str, typer.Option(help="Language, fr or en.")] = "fr",
    as_json: JsonOption = False,
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Recommend to a member what people near and trusted recommend or have used."""
    if context.invoked_subcommand is not None:
        return
    if member is None:
        raise InputError("name the member who asks: --as ID")
    params = asked(kind=kind, q=q, known=known, at=at, limit=limit, lang=lang)
    query = recommend_query(params, now=datetime.now(UTC), lang=lang)
    with opened(store, create=False) as kept:
        owner = the_tenant(kept, tenant)
        engine = Engine.over(kept, owner)
        engine.model = model_file(kept, owner, store).read()
        answer = recommend_answer(engine.recommend(Viewer(member), query))
        timezone = kept.get(Tenant, owner, owner).timezone
    if as_json:
        print_json(answer)
        return
    if not answer["matches"]:
        note(say("nothing-for-you", lang, metres(answer["radius_m"], lang)))
        return
    title = say("for-you", lang, answer["model"])
    print_table(title, heads(lang, *COLUMNS), rows_of(answer, lang, timezone))


def model_file(store: Store, tenant_id: str, dsn: str | None) -> ModelFile:
    """Where the model of a tenant is kept."""
    settings = Settings.read() if dsn is None else Settings.read(store=dsn)
    return ModelFile(store, tenant_id, settings.model_folder)


def train(
    at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="What came later is not looked at.")
    ] = None,
    lang: LangOption = "fr",
    as_json: JsonOption = False,
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Learn what counts from what members have recommended and used, and recommend by it.

    Kept only where it foretells the last of it better than the formula does; else code 1.
    """
    # Half a second to import, and seconds to learn: for nobody else.
    from matching.recommending.learned import LEAST_EVENTS, LEAST_LIKED, learn

    now = asked(at=at).at or datetime.now(UTC)
    with opened(store, create=False) as kept:
        owner = the_tenant(kept, tenant)
        with working(say("learning", lang)):
            lesson = learn(kept, owner, now)
        file = model_file(kept, owner, store)
        if lesson.model is not None:
            lesson.model.save(file.path)
    weights = None if lesson.model is None else lesson.model.weights._asdict()
    name = None if lesson.model is None else lesson.model.name
    least = {"least_events": LEAST_EVENTS, "least_liked": LEAST_LIKED}
    liked = ", ".join(count(one, lang) for one in lesson.liked)
    events = count(lesson.events, lang)
    why = say(lesson.why, lang, events=events, liked=liked, **least)
    if as_json:
        told = {"model": name, "code": lesson.why, "why": why, "weights": weights}
        found = {"events": lesson.events, "liked": lesson.liked, "figures": lesson.figures}
        print_json(told | found | least)
    else:
        if lesson.figures:
            rows = [
                (say(who, lang), *(number(lesson.figures[f"{of}_{who}"], 4, lang) for of in OF))
                for who in ("formula", "learned")
            ]
            print_table(say("last-eighth", lang), heads(lang, "", *OF), rows, (1, 2, 3))
        if weights is not None:
            cells = [(say(term, lang), number(one, 3, lang)) for term, one in weights.items()]
            print_table(say("weighs", lang, name), heads(lang, "term", "weight"), cells, (1,))
        note(why)
    if lesson.model is None:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add ``recommend`` to the command line."""
    commands = typer.Typer()
    commands.callback(invoke_without_command=True)(recommend)
    commands.command()(train)
    app.add_typer(commands, name="recommend")
