"""Small towns for figures by district, and what is counted of them, in plain slow Python.

Shares no code with the rooms but their schemas, and H3 itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import asin, cos, radians, sin, sqrt
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pytest
import shapely

from indexes.district_facts import (
    BUILDING_FACTS,
    HOUSEHOLD_FACTS,
    LISTING_FACTS,
    REQUEST_FACTS,
    TRIP_FACTS,
    Facts,
    Quarter,
)
from indexes.entities import Figures, Zone

QUARTER = Quarter(2026, 3)
WEST, SOUTH, SIDE = 5.30, 43.20, 0.008  # degrees: a zone is about as large as a cell
WORDS = ("cours.piano", "garde.enfants", "garde", "don.livres", "zzz", "", "velo.reparation")


def grid_zones(across: int = 4, *, empty: Iterable[int] = (5,), tenant: str = "t") -> list[Zone]:
    """Square zones of two arrondissements of Marseille, four to a quartier; some uninhabited."""
    zones = []
    for i in range(across * across):
        x, y = WEST + SIDE * (i % across), SOUTH + SIDE * (i // across)
        commune = "13201" if i < across * across // 2 else "13202"
        homes = 0 if i in empty else 300 + 10 * i
        values = {"menages": 0.9 * homes, "pop": 2.0 * homes, "logements": float(homes)}
        zones.append(
            Zone(
                tenant_id=tenant, code=f"{commune}{i // 4 + 1:02}{i % 4 + 1:02}",  # type: ignore[arg-type]
                vintage=2024, name=f"Zone {i}", type="A" if i in empty else "H",
                commune_code=commune, commune_name=f"Marseille {commune[3:]}",  # type: ignore[arg-type]
                geometry=shapely.box(x, y, x + SIDE, y + SIDE),
                figures=Figures(census_year=2021, geography_year=2024, values=values),
            )
        )  # fmt: skip
    return zones


def cell8(lon: float, lat: float) -> int:
    fine = h3.latlng_to_cell(lat, lon, 9)
    return int(h3.cell_to_parent(fine, 8), 16)


@contextmanager
def little_noise() -> Iterator[None]:
    """Draws meanwhile may spend any ε, so that figures are told even in a small town."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matching.planning.drawing.require_epsilons", lambda epsilons: None)
        yield


class Town:
    """People and what they do, drawn from a seed: rows of facts as dicts."""

    def __init__(self, zones: Sequence[Zone], households: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.rows: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("households", "buildings", "listings", "requests", "trips")
        }
        low, high = -0.1 * SIDE, 4.1 * SIDE  # some live in no zone
        places = []
        uninhabited = {zone.code for zone in zones if zone.type == "A"}
        for _ in range(max(1, households // 3)):
            lon, lat = WEST + rng.uniform(low, high), SOUTH + rng.uniform(low, high)
            inside = [zone.code for zone in zones if zone.geometry.covers(shapely.Point(lon, lat))]
            places.append((lon, lat, min(inside, default=None), cell8(lon, lat)))

        def place(at: int) -> dict[str, Any]:
            return {"zone": places[at][2], "cell8": places[at][3]}

        home = rng.integers(len(places), size=households)
        for i, at in enumerate(home.tolist()):
            members, weeks = int(rng.integers(1, 8)), int(rng.integers(0, 14))
            self.rows["households"].append(
                {"household": f"h{i}", "building": f"b{at}", **place(at)}
                | {"members": members, "weeks": weeks}
            )
        inside = Counter(home.tolist())
        for at, (lon, lat, zone, _) in enumerate(places):
            dwellings = None if rng.random() < 0.3 else int(rng.integers(0, 30))
            if zone in uninhabited:
                dwellings = 0
            self.rows["buildings"].append(
                {"building": f"b{at}", **place(at), "lon": lon, "lat": lat}
                | {"dwellings": dwellings, "households": inside[at]}
            )
        for i in range(2 * households):
            who = int(rng.integers(households))
            public = bool(rng.random() < 0.4)
            lon, lat, *_ = places[home[who]]
            words = (
                ("commerce.boulangerie", "artisan.plomberie", "lieu.square") if public else WORDS
            )
            self.rows["listings"].append(
                {"listing": f"l{i}", "household": f"h{who}", "owner": f"m{who % 7}"}
                | place(home[who])
                | {"lon": lon if public else None, "lat": lat if public else None}
                | {
                    "kind": str(rng.choice(["merchant", "artisan", "place"]))
                    if public
                    else "service"
                }
                | {"category": str(rng.choice(words)), "public": public}
            )
            self.rows["requests"].append(
                {"household": f"h{who}", **place(home[who]), "category": str(rng.choice(WORDS))}
                | {"answered_48h": bool(rng.random() < 0.5), "unmet": bool(rng.random() < 0.3)}
            )
            start, end = rng.integers(len(places), size=2).tolist()
            seats = int(rng.integers(0, 9))
            self.rows["trips"].append(
                {"household": None if rng.random() < 0.1 else f"h{who}", **place(start)}
                | {"to_zone": places[end][2], "to_cell8": places[end][3], "seats": seats}
                | {"role": str(rng.choice(["driver", "passenger", "either"]))}
                | {"matched": bool(rng.random() < 0.3)}
            )

    def without(self, household: str) -> "Town":
        """The same town, had this household never been in."""
        other = object.__new__(Town)
        other.rows = {
            name: [dict(row) for row in rows if row.get("household") != household]
            for name, rows in self.rows.items()
        }
        left = Counter(row["building"] for row in other.rows["households"])
        for row in other.rows["buildings"]:
            row["households"] = left[row["building"]]
        return other

    def facts(self) -> Facts:
        schemas = (HOUSEHOLD_FACTS, BUILDING_FACTS, LISTING_FACTS, REQUEST_FACTS, TRIP_FACTS)
        return Facts(
            QUARTER,
            *(
                pa.Table.from_pylist(rows, schema=schema)
                for rows, schema in zip(self.rows.values(), schemas, strict=True)
            ),
        )


Piece = tuple[str, int]
NOWHERE: Piece = ("", 0)


def piece_of(row: dict[str, Any], pieces: set[Piece]) -> Piece:
    """Where a row counts: its own piece, else its zone's piece of the nearest cell."""
    if (row["zone"], row["cell8"]) in pieces:
        return row["zone"], row["cell8"]
    same = sorted(piece for piece in pieces if piece[0] == row["zone"])
    if not same:
        return NOWHERE
    if len(same) == 1:
        return same[0]
    here = h3.cell_to_latlng(format(row["cell8"], "x"))
    return min(same, key=lambda piece: away(here, h3.cell_to_latlng(format(piece[1], "x"))))


def away(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres between two (lat, lon)."""
    (lat1, lon1), (lat2, lon2) = (tuple(map(radians, point)) for point in (one, other))
    h = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(h))


def favourite(things: Iterable[Any]) -> Any:
    """What there is most of; of equals, the least."""
    counts = Counter(things)
    return min(counts, key=lambda thing: (-counts[thing], thing))


def counted(town: Town, pieces: set[Piece], declared: Sequence[str]) -> dict[str, Counter[Any]]:
    """Counts by draw, of (piece, column); a piece that is a whole zone has cell 0."""
    found: dict[str, Counter[Any]] = defaultdict(Counter)

    def word(row: dict[str, Any]) -> str:
        first = row["category"].split(".")[0]
        return first if first in declared else "autre"

    for row in town.rows["households"]:
        piece = piece_of(row, pieces)
        found["households"][piece, "households"] += 1
        found["active"][piece, "weeks"] += min(row["weeks"], 13)
        found["members"][piece, "members"] += min(row["members"], 4)
    for row in town.rows["buildings"]:
        found["buildings"][piece_of(row, pieces), "opened"] += row["households"] >= 1
        found["buildings"][piece_of(row, pieces), "five"] += row["households"] >= 5
    for rows in by_household(row for row in town.rows["listings"] if not row["public"]):
        chosen = favourite(map(word, rows))
        found["exchange"][piece_of(rows[0], pieces), f"offers:{chosen}"] += 1
    for rows in by_household(town.rows["requests"]):
        chosen = favourite(map(word, rows))
        mine = [row for row in rows if word(row) == chosen]
        state = "answered" if all(row["answered_48h"] for row in mine) else "late"
        if any(row["unmet"] for row in mine):
            state = "unmet"
        found["exchange"][piece_of(rows[0], pieces), f"{state}:{chosen}"] += 1
    for rows in by_household(town.rows["trips"]):
        driving = [row for row in rows if row["role"] != "passenger"]
        role, mine = ("driver", driving) if driving else ("passenger", rows)
        state = "matched" if any(row["matched"] for row in mine) else "unmatched"
        where = sorted_favourite([piece_of(row, pieces) for row in rows])
        found["carpool"][where, f"{role}-{state}"] += 1
        if driving:
            start = sorted_favourite([piece_of(row, pieces) for row in driving])
            found["seats"][start, "seats"] += min(4, max(row["seats"] for row in driving))
    return found


def sorted_favourite(pieces: list[Piece]) -> Piece:
    """As `favourite`, but nowhere comes last."""
    counts = Counter(pieces)
    return min(counts, key=lambda piece: (-counts[piece], piece == NOWHERE, piece))


def by_household(rows: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in rows:
        if row["household"] is not None:
            found[row["household"]].append(row)
    return list(found.values())
