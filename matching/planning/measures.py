"""What a release tells: draws of noise, measures made of them, and what each costs in privacy.

A *draw* is a table of counts, pieces × columns, that noise is added to once. Each household
changes its counts by at most ``bound`` in all (the L1 sensitivity), and the draw spends its share
of its family's ε. A *measure* is a sum of a draw's columns, told for zones; all else follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from indexes.district_facts import WEEKS

__all__ = [
    "ACCESS_MINUTES",
    "ACCESS_THINGS",
    "BUILDING_THRESHOLD",
    "DRAWS",
    "EPSILONS",
    "EPSILON_LEAST",
    "EPSILON_MOST",
    "EPSILON_TOTAL",
    "FLOWS",
    "GOALS",
    "HOUSEHOLD_THRESHOLD",
    "MEASURES",
    "OTHER",
    "PEOPLE_CATEGORIES",
    "PUBLIC_CATEGORIES",
    "RULES",
    "TITLES",
    "Draw",
    "Measure",
    "access_name",
]

EPSILONS: Mapping[str, float] = {
    "households": 0.25,
    "active": 0.2,
    "members": 0.1,
    "buildings": 0.05,
    "exchange": 0.2,
    "carpool": 0.2,
}
"""ε that a household spends in a quarter, by family of measures: 1 in all."""

EPSILON_LEAST = 1e-3  # with less, noise is larger than a town
EPSILON_MOST = 1.0  # of a family: e¹, what is told changes any odds about a household threefold
EPSILON_TOTAL = 2.0  # of a quarter: sevenfold at most, e², beyond which it would protect nobody

HOUSEHOLD_THRESHOLD = 11  # INSEE, Filosofi: no figure of fewer households
BUILDING_THRESHOLD = 3

GOALS = (0.05, 0.12)
"""Shares of a town's households that it may aim at."""

OTHER = "autre"
PEOPLE_CATEGORIES = (
    "artisan",
    OTHER,
    "bricolage",
    "cours",
    "courses",
    "couture",
    "demarches",
    "don",
    "garde",
    "informatique",
    "pret",
    "troc",
    "velo",
    "vente",
    "voisin",
)
"""First words of categories that people's listings and requests are counted by, ascending.

They are declared, not found: that a category is told says nothing about who is in it. All
others count as ``autre``."""

PUBLIC_CATEGORIES = ("artisan", OTHER, "bonplan", "commerce", "lieu", "restaurant", "sortie")
"""The same for public listings."""

ACCESS_MINUTES = (5, 10, 15)
ACCESS_THINGS = (1, 3)
"""On foot, how far, and to how many public things of a category: something, and a choice."""

NONE = ("",)


@dataclass(frozen=True, slots=True)
class Draw:
    """Counts that noise is drawn for at once.

    Attributes
    ----------
    name : str
        What it is stored under.
    family : str
        Whose ε it spends.
    share : float
        How much of that, 0 to 1.
    bound : int
        Most that one household adds to all its counts together.
    parts : tuple of str
    categories : tuple of str
        Its columns are each part in each category.
    by_cell : bool
        Whether its pieces are IRIS × cell. Else they are whole IRIS: what is too rare to be told
        for a cell through the noise needs no noise of each cell.
    """

    name: str
    family: str
    share: float
    bound: int
    parts: tuple[str, ...]
    categories: tuple[str, ...] = NONE
    by_cell: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, part by part."""
        return tuple(
            f"{part}:{category}" if category else part
            for part in self.parts
            for category in self.categories
        )


MEMBERS_COUNTED = 4
SEATS_COUNTED = 4

DRAWS = (
    Draw("households", "households", 1.0, 1, ("households",), by_cell=True),
    Draw("active", "active", 1.0, WEEKS, ("weeks",), by_cell=True),
    Draw("members", "members", 1.0, MEMBERS_COUNTED, ("members",), by_cell=True),
    # No household is both the first of its building and the fifth: it changes one of the two.
    Draw("buildings", "buildings", 1.0, 1, ("opened", "five"), by_cell=True),
    Draw(
        "exchange", "exchange", 1.0, 2, ("offers", "answered", "late", "unmet"), PEOPLE_CATEGORIES
    ),
    Draw(
        "carpool",
        "carpool",
        0.5,
        1,
        ("driver-matched", "driver-unmatched", "passenger-matched", "passenger-unmatched"),
    ),
    Draw("seats", "carpool", 0.2, SEATS_COUNTED, ("seats",)),
)
"""Counts by piece; `FLOWS` are counted from zone to zone. Cells are told what is drawn by cell."""

FLOWS = Draw("flows", "carpool", 0.3, 1, ("flows",))


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is told of each zone: columns of a draw, added up.

    Attributes
    ----------
    name, draw : str
    parts : tuple of str
        Parts of the draw that are added.
    divisor : int
        What the sum is divided by.
    of : {"households", "residents", ""}
        The census figure it is held against.
    rate : str
        Name of the percentage of that figure; empty if there is none.
    threshold : int
        Smallest value that is told.
    margin : float
        How many half-widths of its interval a value must be away from zero. With 1, of places
        where there is none one in 40 is told; with 1.5, which suits tables of many cells, one
        in 500.
    behind : str
        A measure that must be visible there, too: people behind things that are no people.
    """

    name: str
    draw: str
    parts: tuple[str, ...]
    divisor: int = 1
    of: str = ""
    rate: str = ""
    threshold: int = HOUSEHOLD_THRESHOLD
    margin: float = 1.5
    behind: str = ""


MEASURES = (
    Measure(
        "households", "households", ("households",), 1, "households", "penetration", margin=1.0
    ),
    Measure(
        "active_households", "active", ("weeks",), WEEKS, "households", "active_rate", margin=1.0,
        behind="households",
    ),
    Measure(
        "members", "members", ("members",), 1, "residents", "member_rate", margin=1.0,
        behind="households",
    ),
    Measure(
        "buildings_opened", "buildings", ("opened",), threshold=BUILDING_THRESHOLD, margin=1.0,
        behind="households",
    ),
    Measure(
        "buildings_5", "buildings", ("five",), threshold=BUILDING_THRESHOLD, behind="households"
    ),
    Measure("listings", "exchange", ("offers",)),
    Measure("requests", "exchange", ("answered", "late", "unmet")),
    Measure("answered_48h", "exchange", ("answered",)),
    Measure("unmet", "exchange", ("unmet",)),
    Measure(
        "carpool_households", "carpool",
        ("driver-matched", "driver-unmatched", "passenger-matched", "passenger-unmatched"),
    ),
    Measure("carpool_drivers", "carpool", ("driver-matched", "driver-unmatched")),
    Measure("carpool_passengers", "carpool", ("passenger-matched", "passenger-unmatched")),
    Measure("carpool_matched", "carpool", ("driver-matched", "passenger-matched")),
    Measure("carpool_unmatched", "carpool", ("driver-unmatched", "passenger-unmatched")),
    Measure("carpool_seats", "seats", ("seats",), behind="carpool_drivers"),
)  # fmt: skip


def access_name(minutes: int, things: int) -> str:
    """The measure of households with so many public things within a walk.

    Examples
    --------
    >>> access_name(10, 1), access_name(10, 3)
    ('access_10', 'access_10_3')
    """
    return f"access_{minutes}" if things == 1 else f"access_{minutes}_{things}"


def _access_title(minutes: int, things: int) -> tuple[str, str, str]:
    if things == 1:
        return (
            "percent",
            f"Foyers à moins de {minutes} min à pied",
            f"Households within {minutes} minutes on foot",
        )
    return (
        "percent",
        f"Foyers ayant {things} choix à moins de {minutes} min à pied",
        f"Households with {things} choices within {minutes} minutes on foot",
    )


TITLES: Mapping[str, tuple[str, str, str]] = {
    "households": ("count", "Foyers inscrits", "Households registered"),
    "penetration": ("percent", "Foyers inscrits pour 100 foyers", "Households registered, of 100"),
    "goal_gap": ("points", "Écart à l'objectif", "Distance to the goal"),
    "trend": (
        "count",
        "Foyers inscrits depuis le trimestre précédent",
        "Households since the quarter before",
    ),
    "active_households": ("count", "Foyers actifs par semaine", "Households active in a week"),
    "active_rate": (
        "percent",
        "Foyers actifs par semaine pour 100 foyers",
        "Households active in a week, of 100",
    ),
    "members": ("count", "Membres inscrits", "Members registered"),
    "member_rate": (
        "percent",
        "Membres inscrits pour 100 habitants",
        "Members registered, of 100 residents",
    ),
    "buildings_opened": ("count", "Immeubles ouverts", "Buildings with a household"),
    "buildings_5": (
        "count",
        "Immeubles de 5 foyers et plus",
        "Buildings with 5 households or more",
    ),
    "listings": ("count", "Foyers qui proposent", "Households that offer"),
    "requests": ("count", "Foyers qui demandent", "Households that ask"),
    "answered_48h": ("count", "Foyers servis en 48 h", "Households answered within 48 h"),
    "unmet": ("count", "Foyers sans réponse favorable", "Households nobody has said yes to"),
    "carpool_households": ("count", "Foyers qui covoiturent", "Households that carpool"),
    "carpool_drivers": ("count", "Foyers conducteurs", "Households that drive"),
    "carpool_passengers": ("count", "Foyers passagers", "Households that ride"),
    "carpool_matched": ("count", "Foyers qui ont trouvé un trajet", "Households with a ride"),
    "carpool_unmatched": ("count", "Foyers sans trajet trouvé", "Households without a ride"),
    "carpool_seats": ("count", "Places offertes", "Seats offered"),
    "flows": ("count", "Foyers de zone à zone", "Households from zone to zone"),
    "businesses": ("count", "Annonces publiques", "Public listings"),
    **{access_name(m, n): _access_title(m, n) for n in ACCESS_THINGS for m in ACCESS_MINUTES},
    "supply_rate": (
        "per 1,000",
        "Offre à 15 min pour 1 000 foyers",
        "Supply within 15 minutes, per 1,000 households",
    ),
    "supply_gap": ("per 1,000", "Écart à la médiane de la ville", "Distance to the town's median"),
    "under_median": (
        "percent",
        "Foyers sous la médiane de la ville",
        "Households under the town's median",
    ),
}  # fmt: skip
"""Unit of each measure, and its title in French and English."""

RULES: tuple[tuple[str, str], ...] = (
    (
        "Un foyer compte dans un seul morceau par famille : là où il habite ; ses trajets, là d'où "
        "partent la plupart. Un morceau est un IRIS × une cellule H3 8 pour les foyers, membres et "
        "immeubles, un IRIS entier pour les échanges et le covoiturage.",
        "A household counts in one piece of a family: where it lives; its trips where most of them "
        "start. A piece is an IRIS × an H3 cell at 8 for households, members and buildings, a "
        "whole IRIS for exchange and carpools.",
    ),
    (
        "ε couvre ce qu'un foyer demande, propose et prévoit, non ce que ses réponses apprennent "
        "des autres : servi, en retard, sans réponse favorable ou trajet trouvé comptent avec le "
        "foyer qui demande ou se déplace, quel que soit celui qui a répondu.",
        "ε covers what a household asks, offers and plans, not what others learn by its answers "
        "to them: answered, late, unmet and matched are counted with the household that asked or "
        "travels, whoever answered.",
    ),
    (
        "Offres et demandes : dans une seule catégorie chacune, celle qui en a le plus ; à "
        "égalité, la première par ordre alphabétique. Une demande sans réponse favorable y prime, "
        "puis une réponse tardive.",
        "Offers and requests: in one category each, that with most of them; of equals, the first "
        "by name. There an unmet request counts before one answered late, and that before others.",
    ),
    (
        f"Par foyer : {WEEKS} semaines actives, {MEMBERS_COUNTED} membres, {SEATS_COUNTED} places "
        "et une liaison au plus.",
        f"Per household: {WEEKS} active weeks, {MEMBERS_COUNTED} members, {SEATS_COUNTED} seats "
        "and one flow at most.",
    ),
    (
        "Publié à partir de 11 foyers (3 immeubles ; 6 foyers pour une liaison, son origine et "
        "sa destination), si le bruit seul n'en donnerait autant qu'à une zone vide sur 40 (par "
        "catégorie et en covoiturage, sur 500).",
        "Told from 11 households on (3 buildings; 6 households for a flow, its origin and its "
        "destination), where noise alone would give as much to one empty zone in 40 (by category "
        "and for carpools, in 500).",
    ),
)
"""What is counted how, in French and English."""
