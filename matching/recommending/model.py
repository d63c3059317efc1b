"""What each term of a recommendation weighs: as written down here, or as learned.

A learned model is five weights and two numbers that turn a sum into a probability, kept as JSON:
whoever can write the file can change a ranking, and do nothing else.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import exp, fsum, isfinite
from pathlib import Path
from typing import NamedTuple

from geo.errors import InputError

__all__ = ["FORMULA", "TERMS", "Model", "Terms"]

MAX_BYTES = 10_000
LAYOUT = 1  # of the file


class Terms(NamedTuple):
    """What is known of a listing for a viewer, each 0 to 1; or what each of these weighs.

    ``distance`` as near me has it; ``trusted`` and ``near`` what those whom the viewer trusts
    and those who live near say, in the four steps that trust is shown in; ``taste`` how like it
    is to what the viewer recommends or has used; ``popularity`` how many households endorse it.
    """

    distance: float
    trusted: float
    near: float
    taste: float
    popularity: float


TERMS = Terms._fields


@dataclass(frozen=True, slots=True)
class Model:
    """How recommendations are ranked and what their scores mean.

    Parameters
    ----------
    weights : Terms
        None below 0; they sum to 1.
    slope, intercept : float, optional
        The score is the logistic function of ``slope`` times the weighted sum, plus
        ``intercept``: the probability that the viewer will recommend or use it within the time
        the model was taught. Without them it is the sum.

    Raises
    ------
    InputError
        If a number is out of its range.

    Examples
    --------
    >>> FORMULA.name, FORMULA.score(0.25)
    ('formula@1', 0.25)
    >>> model = Model(Terms(0.5, 0.2, 0.1, 0.2, 0.0), slope=4.0, intercept=-5.0)
    >>> model.name, round(model.score(0.5), 4)
    ('learned@...', 0.0474)
    """

    weights: Terms
    slope: float | None = None
    intercept: float | None = None

    def __post_init__(self) -> None:
        numbers = (*self.weights, self.slope or 0.0, self.intercept or 0.0)
        if not all(map(isfinite, numbers)):
            raise InputError("a model has finite numbers only")
        if min(self.weights) < 0 or abs(sum(self.weights) - 1) > 1e-9:
            raise InputError("a model's weights must sum to 1, and none be below 0")
        if (self.slope is None) is not (self.intercept is None):
            raise InputError("a model has slope and intercept, or neither")
        if self.slope is not None and self.slope <= 0:
            raise InputError(f"slope must be above 0, got {self.slope}")

    @property
    def name(self) -> str:
        """Name and version: models that rank or score otherwise have another."""
        if self.slope is None:
            return "formula@1"
        return f"learned@{sha256(self._text().encode()).hexdigest()[:12]}"

    def score(self, total: float) -> float:
        """What a weighted sum of terms means, 0 to 1; it never falls as the sum rises."""
        if self.slope is None or self.intercept is None:
            return total
        power = self.slope * total + self.intercept
        return 1 / (1 + exp(-power)) if power > 0 else exp(power) / (1 + exp(power))

    def shares(self, terms: Sequence[float]) -> Terms:
        """What each term gave to the score. They sum to it, less the score of a listing that
        has nothing to say for itself: with a learned model that has its probability, too."""
        parts = [weight * term for weight, term in zip(self.weights, terms, strict=True)]
        total = fsum(parts)
        if total == 0.0:
            return Terms(*parts)
        each = (self.score(total) - self.score(0.0)) / total
        return Terms(*(part * each for part in parts))

    def _text(self) -> str:
        return json.dumps(
            {
                "layout": LAYOUT,
                "weights": self.weights._asdict(),
                "slope": self.slope,
                "intercept": self.intercept,
            },
            indent=1,
        )

    def save(self, path: Path) -> None:
        """Write it to a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.new")
        beside.write_text(self._text() + "\n", encoding="utf-8")
        beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If there is no such file, or it is no model. Its code is ``invalid-model``.
        """
        try:
            with path.open("rb") as file:
                found = json.loads(file.read(MAX_BYTES))
        except OSError as error:
            raise _refused(path, f"can't be read ({error.strerror})") from error
        except ValueError as error:
            raise _refused(path, "is no JSON") from error
        if not isinstance(found, dict) or found.get("layout") != LAYOUT:
            raise _refused(path, f"is not of layout {LAYOUT}")
        weights = found.get("weights")
        if not isinstance(weights, dict) or set(weights) != set(TERMS):
            raise _refused(path, f"must weigh {', '.join(TERMS)}")
        numbers = [*(weights[name] for name in TERMS), found.get("slope"), found.get("intercept")]
        if not all(type(number) in (int, float) for number in numbers):
            raise _refused(path, "must hold numbers")
        *weighed, slope, intercept = map(float, numbers)
        try:
            return cls(Terms(*weighed), slope, intercept)
        except InputError as error:
            raise _refused(path, str(error)) from error


def _refused(path: Path, why: str) -> InputError:
    return InputError(f"{path.name}: {why}", code="invalid-model")


FORMULA = Model(Terms(distance=0.25, trusted=0.30, near=0.20, taste=0.20, popularity=0.05))
"""What ranks until enough has happened to learn from."""
