"""`mitoyen demo`: a town that is nowhere, five worked answers about it, then the server."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from api.answers import near_answer
from api.auth import digest_of, new_secret
from api.commands.common import JsonOption, LangOption, note, opened, print_json, print_table
from api.commands.demo_attack import Outcome, attacked
from api.commands.districts import level_answer, print_zones
from api.commands.near import asked, rows_of
from api.commands.sample import fill
from api.commands.serve import refuse_busy, serve
from api.commands.trips_options import columns
from api.commands.trips_options import rows_of as rows_of_trips
from api.commands.words import count, heads
from api.questions import near_query
from api.settings import Settings
from geo.arrays import LonLat
from indexes.district_facts import Quarter
from indexes.entities import ApiKey, Member, Scope, Tenant
from indexes.journeys import Anchor, Schedule, WeeklyTime
from indexes.sample import HARBOUR, Sample, sample_city
from indexes.store import Store
from matching.engine import Engine
from matching.planning.releasing import load_districts, release_quarter
from matching.query import ANYONE, NearQuery, Viewer
from matching.rides.carpool import TripMatch, TripQuery
from matching.trips import find_drivers

__all__ = ["demo", "register"]

ADOPTION = {
    "en": "How far is each quartier from the goal of 5 % of its households?",
    "fr": "Où en est chaque quartier de l'objectif de 5 % de ses ménages ?",
}
ADOPTED = ("households", "penetration", "goal_gap")
TO_WORK = {
    "en": "Who drives me to work by 08:30, Monday to Friday?",
    "fr": "Qui m'emmène au travail pour 8 h 30, du lundi au vendredi ?",
}
WORK: LonLat = (4.6319, 42.6362)  # where two roads cross, 4 km from the harbour

MAKING = "Making a town; the very first time the search is compiled too, for half a minute"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of `/v1/near`, by the member or by anybody, and its titles in the demo."""

    titles: dict[str, str]  # by language
    options: dict[str, Any]
    by_member: bool


_LON, _LAT = HARBOUR
QUESTIONS = {
    "near": Question(
        {"en": "Who near me gives lessons?", "fr": "Qui donne des cours près de chez moi ?"},
        {"kind": ["service"], "category": "cours", "limit": 5},
        by_member=True,
    ),
    "offers": Question(
        {
            "en": "Which offers around the harbour are open now?",
            "fr": "Quelles offres autour du port sont ouvertes en ce moment ?",
        },
        {"lat": _LAT, "lon": _LON, "kind": ["offer"], "open_now": True, "limit": 5},
        by_member=False,
    ),
    "artisans": Question(
        {
            "en": "Which artisan around the harbour do neighbours recommend?",
            "fr": "Quel artisan autour du port des voisins recommandent-ils ?",
        },
        {"lat": _LAT, "lon": _LON, "kind": ["artisan"], "radius_m": 2_000, "limit": 5},
        by_member=True,
    ),
}


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after the answers.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another town.")] = 1,
    at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="RFC 3339, with offset; default now.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve on.", min=1, max=65535)] = None,
    lang: LangOption = "en",
    attack: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=10_000, help="Let N made-up accounts praise one artisan."
        ),
    ] = None,
    edges: Annotated[
        int, typer.Option(min=0, help="How many members those accounts fool, with --attack.")
    ] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show a made-up town: answers with their reasons, then the server.

    The town is generated, and gone when the command ends. With --attack --json, only what the
    attack has changed is told.
    """
    now = asked(at=at, lang=lang).at or datetime.now(UTC)
    settings = Settings.read() if port is None else Settings.read(port=port)
    if not once:
        refuse_busy(settings.host, settings.port)
    with leaving_tidily(), TemporaryDirectory(prefix="mitoyen-demo-") as folder:
        path = str(Path(folder) / "town.db")
        with opened(path) as store:
            with Console(stderr=True).status(MAKING):
                town = sample_city(seed, now)
                member = town.member_near(HARBOUR)
                fill(store, town, created_at=now)
                engine = Engine.over(store, member.tenant_id, clock=lambda: now)
                answers = worked_answers(engine, member, now, lang)
                rides = rides_to_work(engine, member, now, lang)
                adoption = adoption_by_quartier(store, member.tenant_id, now)
                other = asked_by_another(engine, town, answers["artisans"], now, lang)
                outcome = None
                if attack is not None:
                    outcome = attacked(
                        store, engine, town, asked_now("artisans", now, lang), now,
                        fakes=attack, edges=edges, seed=seed,
                    )  # fmt: skip
            # With --json, standard output holds one object and nothing else.
            say = note if as_json else typer.echo
            say(introduction(town, member, lang))
            if as_json and outcome is not None:
                print_json(outcome)
            elif as_json:
                told = {name: answer["matches"] for name, answer in answers.items()}
                told |= {"artisans_of_another": other[1]["matches"]} if other else {}
                print_json(told | {"trips": rides, "districts": adoption})
            else:
                for name, answer in answers.items():
                    show(QUESTIONS[name].titles[lang], answer, lang)
                if other is not None:
                    show(asked_too(other[0], lang), other[1], lang)
                if outcome is not None:
                    typer.echo(told_of(outcome, attack or 0, edges, lang))
                lines = rows_of_trips(((ride, ride.days) for ride in rides), lang)
                print_table(TO_WORK[lang], columns(lang), lines)
                print_zones(ADOPTION[lang], adoption, ADOPTED, lang)
            if once:
                return
            say(invitation(settings, member, app_key(store, member.tenant_id), lang))
        serve(port=port, store=path, tenant=member.tenant_id)


def worked_answers(
    engine: Engine, member: Member, now: datetime, lang: str
) -> dict[str, dict[str, Any]]:
    """The answer to each question, as `/v1/near` gives it.

    Parameters
    ----------
    engine : Engine
        Over the town.
    member : Member
        Who asks, from home.
    now : datetime
        The instant that counts, aware.
    lang : str
        Language of the reasons, fr or en.
    """
    return {
        name: near_answer(
            engine.near(
                Viewer(member.id) if question.by_member else ANYONE, asked_now(name, now, lang)
            )
        )
        for name, question in QUESTIONS.items()
    }


def asked_now(name: str, now: datetime, lang: str) -> NearQuery:
    """One of the questions, at an instant."""
    return near_query(asked(**QUESTIONS[name].options), now=now, lang=lang)


def asked_by_another(
    engine: Engine, town: Sample, answer: dict[str, Any], now: datetime, lang: str
) -> tuple[Member, dict[str, Any]] | None:
    """Who lives nearest to the harbour of those whom other artisans are recommended to, if any,
    and the answer they get."""
    ids = [match["id"] for match in answer["matches"]]
    query = asked_now("artisans", now, lang)
    for member in town.members_near(HARBOUR):
        found = engine.near(Viewer(member.id), query)
        if [match.id for match in found.matches] != ids:
            return member, near_answer(found)
    return None


def rides_to_work(
    engine: Engine, member: Member, now: datetime, lang: str
) -> tuple[TripMatch, ...]:
    """Who drives the member, on workdays, to a place some kilometres inland by half past eight.

    Parameters
    ----------
    engine, member, now, lang
        As for `worked_answers`; the two weeks from that instant on count.
    """
    home = engine.group_point(member.id)
    if home is None:
        return ()
    query = TripQuery(
        origin=home,
        destination=WORK,
        schedule=Schedule(
            timezone=engine.timezone,
            anchor=Anchor.ARRIVE,
            flex_before_s=2_700,
            flex_after_s=0,
            weekly=(WeeklyTime(days=(0, 1, 2, 3, 4), second=30_600),),
        ),
        first=now.astimezone(ZoneInfo(engine.timezone)).date(),
        limit=5,
        lang=lang,
    )
    return find_drivers(engine.trips, engine.traveller(member.id, now), query)


def adoption_by_quartier(store: Store, tenant_id: str, now: datetime) -> dict[str, Any]:
    """The quartiers of the last quarter that can be released, as a town would: noise is real.

    Parameters
    ----------
    store : Store
        With the town.
    tenant_id : str
    now : datetime
        Aware.
    """
    timezone = ZoneInfo(store.get(Tenant, tenant_id, tenant_id).timezone)
    quarter = Quarter.of(now.astimezone(timezone).date()).previous
    if now < quarter.settles(timezone):
        quarter = quarter.previous
    release_quarter(store, tenant_id, quarter, created_at=now, goals=(0.05,))
    return level_answer(load_districts(store, tenant_id), "quartier", ADOPTED)


def introduction(town: Sample, member: Member, lang: str) -> str:
    """What this town is, and who asks."""
    if lang == "fr":
        sizes = (len(town.buildings), len(town.members), len(town.listings), len(town.trips))
        buildings, members, listings, trips = (count(n, lang) for n in sizes)
        return (
            f"{town.zones[0].commune_name}\u00a0: ses rues, ses habitants et ses codes (99…) sont "
            f"inventés.\n{buildings} bâtiments, {members} membres, {listings} annonces, "
            f"{trips} trajets.\n{member.name} ({member.id}, niveau de vérification "
            f"{member.level}) habite près du port, et demande.\n"
        )
    return (
        f"{town.zones[0].commune_name}: a fictional town. Its streets, its people and its codes "
        f"(99…) are made up.\n"
        f"{len(town.buildings):,} buildings, {len(town.members):,} members, "
        f"{len(town.listings):,} listings, {len(town.trips):,} trips.\n"
        f"{member.name} ({member.id}, verification level {member.level}) lives by the harbour, "
        "and asks.\n"
    )


def asked_too(member: Member, lang: str) -> str:
    """That another member asks the same."""
    said = "La même question, posée par" if lang == "fr" else "The same, asked by"
    return f"{said} {member.name} ({member.id})"


def show(title: str, answer: dict[str, Any], lang: str) -> None:
    """An answer as a table."""
    rows = [(rank, score, far, *words) for rank, score, far, _, *words in rows_of(answer, lang)]
    print_table(title, heads(lang, "", "score", "distance", "title", "why"), rows)


def told_of(outcome: Outcome, fakes: int, edges: int, lang: str) -> str:
    """What an attack has come to."""
    if lang == "fr":
        told = (fakes, outcome.viewers, outcome.changed_top10, outcome.control_changed_top10)
        accounts, viewers, changed, by_mean = (count(n, lang) for n in told)
        return (
            f"{accounts} comptes inventés recommandent un artisan, et ont trompé {edges} membres. "
            f"Sur {viewers} personnes qui ne se fient à aucun de ceux-là, les dix premiers ont "
            f"changé pour {changed}\u00a0; classés par la moyenne des notes de tous, pour "
            f"{by_mean}.\n"
        )
    return (
        f"{fakes:,} made-up accounts recommend one artisan, and have fooled {edges} members. Of "
        f"{outcome.viewers:,} viewers who trust none of those, the best ten have changed for "
        f"{outcome.changed_top10:,}; ranked by everybody's mean rating instead, for "
        f"{outcome.control_changed_top10:,}.\n"
    )


def app_key(store: Store, tenant_id: str) -> str:
    """A new key with the scope of an app; its secret."""
    secret = new_secret()
    store.put(
        ApiKey(
            tenant_id=tenant_id,
            id=f"key-{secrets.token_hex(4)}",
            name="demo",
            scopes=frozenset({Scope.APP}),
            secret_sha256=digest_of(secret),
        )
    )
    return secret


def invitation(settings: Settings, member: Member, secret: str, lang: str) -> str:
    """How to ask the server the first question again, over HTTP."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = f"http://{host}:{settings.port}"
    query = urlencode({**QUESTIONS["near"].options, "lang": lang}, doseq=True)
    before, after = (
        (
            "La même question par HTTP, avec cette clé d'application, pour ce membre\u00a0:",
            f"Tout ce qu'on peut demander\u00a0: {base}/docs. Ctrl-C arrête et efface tout.",
        )
        if lang == "fr"
        else (
            "Ask again over HTTP, with this app key, for this member:",
            f"Everything else it answers: {base}/docs. Ctrl-C ends it, and the town with it.",
        )
    )
    return (
        f"\n{before}\n\n"
        f"  curl -H 'Authorization: Bearer {secret}' -H 'Mitoyen-Member: {member.id}' \\\n"
        f"    '{base}/v1/near?{query}'\n\n{after}"
    )


@contextmanager
def leaving_tidily() -> Iterator[None]:
    """Turn what ends a process at once into an exit that removes temporary files first."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGTERM)  # which the server, once it runs, takes itself

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, leave)}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def register(app: typer.Typer) -> None:
    """Add ``demo`` to the command line."""
    app.command()(demo)
