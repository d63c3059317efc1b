"""Ranking profiles: what each factor weighs, and how distance fades.

Profiles are data, in a TOML file; `matching/profiles.toml` holds the defaults. Whoever scores
takes from here a weight vector and a decay, and needs no name of a kind.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from math import fsum, isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from geo.errors import InputError
from indexes.entities import Kind
from indexes.scores import BANDS_M

__all__ = [
    "BANDS",
    "BAND_EDGES_M",
    "SHAPES",
    "Decay",
    "Profile",
    "Profiles",
    "Shape",
    "Weights",
]

Shape = Literal["gauss", "exp", "linear"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

BANDS = ("same_group", "<500m", "<1km", "<2km", "<5km", "farther")
"""How far apart two people are, as far as either may know."""

BAND_EDGES_M = (0.0, *BANDS_M)
"""Upper edges of the bands, metres; the last band has none."""

DEFAULT_FILE = Path(__file__).with_name("profiles.toml")


@dataclass(frozen=True, slots=True)
class Decay:
    """How the distance factor falls: 1 up to ``offset_m``, ``decay`` at ``offset_m + scale_m``.

    `indexes.scores.decay_factor` is the formula.

    Parameters
    ----------
    shape : {"gauss", "exp", "linear"}
        The curve.
    offset_m, scale_m : float
        Metres; ``scale_m`` is above zero.
    decay : float
        Above 0 and below 1; a linear one may be 0.

    Raises
    ------
    InputError
        If a value is outside its range.

    References
    ----------
    The decay functions of Elasticsearch's ``function_score`` query: the same three curves,
    with the same parameters.
    """

    shape: Shape
    offset_m: float
    scale_m: float
    decay: float = 0.5

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise InputError(f"shape must be one of {', '.join(SHAPES)}, got {self.shape!r}")
        if not (isfinite(self.offset_m) and self.offset_m >= 0):
            raise InputError(f"offset_m must be zero metres or more, got {self.offset_m}")
        if not (isfinite(self.scale_m) and self.scale_m > 0):
            raise InputError(f"scale_m must be more than zero metres, got {self.scale_m}")
        if not (0 < self.decay < 1 or (self.shape == "linear" and self.decay == 0)):
            raise InputError(f"decay must be above 0 (linear: or 0) and below 1, got {self.decay}")


class Weights(NamedTuple):
    """What each factor weighs in the score, in the order they are explained; they sum to 1."""

    distance: float
    trust: float
    fresh: float
    available: float
    fit: float


@dataclass(frozen=True, slots=True)
class Profile:
    """A named way to rank. Answers and cursors carry ``name`` and ``version``."""

    name: str
    version: str
    weights: Weights
    decay: Decay


@dataclass(frozen=True, slots=True, eq=False)  # itself only, so that plans can be kept by it
class Profiles:
    """All profiles of an engine.

    ``digest`` names their content: equal digests rank alike.

    Examples
    --------
    >>> profiles = Profiles.load()
    >>> profiles.of(Kind.ARTISAN).weights
    Weights(distance=0.3, trust=0.45, fresh=0.0, available=0.15, fit=0.1)
    >>> profiles.named("cheapest")
    Traceback (most recent call last):
    ...
    geo.errors.InputError: no profile 'cheapest'; known: ad, artisan, event, merchant, ...
    """

    by_name: Mapping[str, Profile]
    digest: str

    @classmethod
    def load(cls, path: Path | None = None) -> "Profiles":
        """The defaults, and over them the profiles of a file.

        The defaults alone are one object: what is kept by it serves the engines of all towns.

        Parameters
        ----------
        path : Path, optional
            A TOML file, laid out as `matching/profiles.toml`. A profile that it names replaces
            the default of that name or joins the others.

        Raises
        ------
        InputError
            If the file can't be read or a profile in it breaks a rule; the message names file,
            profile and key.
        """
        defaults = _defaults()
        return defaults if path is None else _profiles({**defaults.by_name, **_read(path)})

    def of(self, kind: Kind) -> Profile:
        """The profile that ranks a kind where the query names none."""
        return self.by_name[kind.value]

    def ranking(self, kind: Kind, named: str | None) -> Profile:
        """The profile that ranks a kind: the one named, else the kind's own."""
        return self.of(kind) if named is None else self.named(named)

    def named(self, name: str) -> Profile:
        """The profile of a name.

        Raises
        ------
        InputError
            If there is none; its code is ``unknown-profile``.
        """
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name))
            raise InputError(f"no profile {name!r}; known: {known}", code="unknown-profile")
        return self.by_name[name]


@cache
def _defaults() -> Profiles:
    return _profiles(_read(DEFAULT_FILE))


def _profiles(by_name: Mapping[str, Profile]) -> Profiles:
    content = repr(sorted(by_name.items()))
    return Profiles(by_name, sha256(content.encode()).hexdigest()[:16])


def _read(path: Path) -> dict[str, Profile]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path.name}: can't be read ({error.strerror})") from error
    except ValueError as error:  # malformed TOML, or no UTF-8
        raise InputError(f"{path.name}: not a TOML file ({error})") from error
    return {name: _profile(table, name, f"{path.name}, [{name}]") for name, table in tables.items()}


def _profile(table: Any, name: str, where: str) -> Profile:
    _check_keys(table, ("version", "weights", "decay"), where)
    version = table["version"]
    if not isinstance(version, str) or not version:
        raise InputError(f"{where}, version: must be text between quotes, got {version!r}")
    weights = Weights(**_numbers(table["weights"], Weights._fields, f"{where}, weights"))
    if min(weights) < 0:
        raise InputError(f"{where}, weights: none may be below 0, got {min(weights)}")
    if abs(fsum(weights) - 1) > 1e-9:
        raise InputError(f"{where}, weights: must sum to 1, got {fsum(weights):.9g}")
    where = f"{where}, decay"
    keys = ("offset_m", "scale_m", "decay")
    _check_keys(table["decay"], ("shape", *keys), where)
    numbers = _numbers({key: table["decay"][key] for key in keys}, keys, where)
    try:
        decay = Decay(table["decay"]["shape"], **numbers)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return Profile(name, version, weights, decay)


def _check_keys(table: Any, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(table, dict) or set(table) != set(keys):
        came = ", ".join(table) or "nothing" if isinstance(table, dict) else repr(table)
        raise InputError(f"{where}: must have the keys {', '.join(keys)}; got {came}")


def _numbers(table: Any, keys: tuple[str, ...], where: str) -> dict[str, float]:
    _check_keys(table, keys, where)
    for key, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise InputError(f"{where}, {key}: must be a number, got {value!r}")
    return {key: float(table[key]) for key in keys}
