"""Learns from a town's own history what each term of a recommendation weighs.

The history is cut at three instants. What was known at the first one tells what members
recommended or used up to the second: that fits the weights. The next stretch makes a probability
of the weighted sum, and the last one only judges. A term that would count against a listing is
left out: nothing is to be hidden for being liked by those whom somebody trusts.

What a town looked like then is told by what was said by then, ratings that were open, and when
listings were published; where people live, how far they are verified and what a listing says
is as of now.

References
----------
J. Platt, "Probabilistic outputs for support vector machines", 1999 (the calibration).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from geo.arrays import BoolArray, FloatArray, IntArray
from geo.errors import MitoyenError
from indexes.entities import VERIFIED_LEVEL
from indexes.store import Store
from matching.query import NearQuery, Viewer
from matching.recommend import KINDS, RADIUS_M, case_of, classes_of
from matching.recommending.case import Case, Trusted
from matching.recommending.model import FORMULA, Model, Terms
from matching.recommending.voices import VoiceTown, heard
from matching.scoring import Profiles
from matching.towns.live import LiveTown
from matching.trust import TrustGraph
from matching.trusting.edges import HALF_LIFE_S, TrustColumns
from matching.trusting.known import Known

__all__ = ["LEAST_EVENTS", "LEAST_LIKED", "Examples", "Lesson", "Outcome", "fit", "learn"]

LEAST_EVENTS = 800  # recommendations and uses of which the instant is known
LEAST_LIKED = 50  # of those in each stretch that could have been recommended before
CUTS = (0.5, 0.75, 0.875)  # shares of the events before each instant
VIEWERS = 300  # of each stretch, drawn where there are more
NEGATIVES = 100  # of each viewer's listings that were not liked
PAGE = 10

Outcome = Literal[
    "better", "formula-as-good", "too-few-events", "too-few-liked", "no-term", "not-lasting"
]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Listings that could have been recommended: row i of each column is one, for one viewer.

    A drawn one stands for ``weight`` like it.
    """

    terms: FloatArray  # (n, 5)
    liked: BoolArray  # (n,)
    weight: FloatArray  # (n,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What came of learning: ``model`` is None where the formula goes on, and ``why`` says why.

    ``liked`` counts, of each of the three stretches, what of its ``events`` can be learned from:
    a listing that could have been recommended to the member when the stretch began. ``figures``
    are those of the last stretch, for the formula and what was learned: AUC, precision and
    recall at 10, and how many in 1,000 were liked, and were expected to be.
    """

    model: Model | None
    why: Outcome
    events: int
    liked: tuple[int, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)


def fit(examples: Examples) -> Terms | None:
    """Weights that tell what was liked from what was not, none below 0; they sum to 1.

    None if no term tells anything.
    """
    kept = [i for i in range(len(Terms._fields)) if np.ptp(examples.terms[:, i]) > 0.0]
    while kept:
        learner = LogisticRegression(C=100.0, max_iter=1_000)
        learner.fit(examples.terms[:, kept], examples.liked, examples.weight)
        found = learner.coef_[0]
        if found.min() > 0.0:
            weights = np.zeros(len(Terms._fields))
            weights[kept] = found / found.sum()
            weights[kept[0]] += 1.0 - weights.sum()  # the last bit
            return Terms(*weights.tolist())
        kept.pop(int(found.argmin()))
    return None


def learn(store: Store, tenant_id: str, now: datetime, profiles: Profiles | None = None) -> Lesson:
    """Learn from what the members of a tenant have recommended and used up to an instant.

    Parameters
    ----------
    store : Store
        Where the history is.
    tenant_id : str
        Whose.
    now : datetime
        Aware. What came later is not looked at.
    profiles : Profiles, optional
        Those of near me; the defaults if none.

    Returns
    -------
    Lesson
        The same for the same history.

    Raises
    ------
    NotFoundError
        If there is no such tenant.
    StoreError
        If the store can't be read.
    """
    past = _Past(store, tenant_id, int(now.timestamp()), profiles or Profiles.load())
    if past.events < LEAST_EVENTS:
        return Lesson(model=None, why="too-few-events", events=past.events)
    cuts = [*past.cuts(), past.now]
    taught, checked, judged = (past.examples(since, until) for since, until in pairwise(cuts))
    liked = tuple(int(one.liked.sum()) for one in (taught, checked, judged))
    lesson = Lesson(model=None, why="too-few-liked", events=past.events, liked=liked)
    if min(liked) < LEAST_LIKED:
        return lesson
    weights = fit(taught)
    if weights is None:
        return replace(lesson, why="no-term")
    learner = LogisticRegression(C=1e6, max_iter=1_000)
    learner.fit(checked.terms @ np.array([weights]).T, checked.liked, checked.weight)
    slope, intercept = float(learner.coef_[0, 0]), float(learner.intercept_[0])
    if slope <= 0.0:
        return replace(lesson, why="not-lasting")
    model = Model(weights, slope, intercept)
    figures = past.figures(judged, cuts[2], cuts[3], model)
    rank = [(figures[f"p10_{name}"], figures[f"auc_{name}"]) for name in ("learned", "formula")]
    if rank[0] <= rank[1]:
        return replace(lesson, why="formula-as-good", figures=figures)
    return replace(lesson, model=model, why="better", figures=figures)


class _Past:
    """A town as it was, as far as its store knows."""

    def __init__(self, store: Store, tenant_id: str, now: int, profiles: Profiles) -> None:
        self.now = now
        self._profiles = profiles
        self._snapshot = LiveTown(store, tenant_id).snapshot
        self._voices = voices = VoiceTown(store, tenant_id).voices
        self._known = Known.read(store, tenant_id)
        said = voices.endorsed.also(voices.used)
        some = np.flatnonzero((said.at <= now) & (voices.level[said.member] >= 0))
        order = np.lexsort((said.listing[some], said.member[some], said.at[some]))
        self._member, self._listing = said.member[some][order], said.listing[some][order]
        self._at = said.at[some][order]

    @property
    def events(self) -> int:
        """How often somebody recommended or used something."""
        return len(self._at)

    def cuts(self) -> list[int]:
        """The instants that part what is learned from, checked by, and judged by."""
        return [int(self._at[int(share * len(self._at))]) for share in CUTS]

    def examples(self, since: int, until: int) -> Examples:
        """What was there at an instant, and whether it was liked by another."""
        rng = np.random.default_rng(since)
        parts = []
        for case, rows, liked in self._cases(since, until, FORMULA.weights):
            others = np.setdiff1d(rows, liked)
            drawn = rng.choice(others, min(NEGATIVES, len(others)), replace=False)
            found = case.best(np.sort(np.concatenate((liked, drawn))), len(liked) + len(drawn))
            is_liked = np.isin(found.rows, liked)
            stands_for = len(others) / max(1, len(drawn))
            terms = np.column_stack((found.factors[:, 0], case.terms(found.rows)))
            parts.append((terms, is_liked, np.where(is_liked, 1.0, stands_for)))
        if not parts:
            return Examples(np.empty((0, 5)), np.empty(0, np.bool_), np.empty(0))
        return Examples(*map(np.concatenate, zip(*parts, strict=True)))

    def figures(self, judged: Examples, since: int, until: int, model: Model) -> dict[str, float]:
        """How well the formula and a model foretell a stretch."""
        figures = {}
        for name, one in (("formula", FORMULA), ("learned", model)):
            totals = judged.terms @ np.array(one.weights)
            figures[f"auc_{name}"] = float(
                roc_auc_score(judged.liked, totals, sample_weight=judged.weight)
            )
            precision, recall = [], []
            for case, rows, liked in self._cases(since, until, one.weights):
                hits = np.isin(case.best(rows, PAGE).rows, liked).sum()
                precision.append(hits / PAGE)
                recall.append(hits / len(liked))
            figures[f"p10_{name}"] = float(np.mean(precision))
            figures[f"r10_{name}"] = float(np.mean(recall))
        expected = [model.score(total) for total in (judged.terms @ model.weights).tolist()]
        figures["liked_in_1000"] = 1_000 * float(np.average(judged.liked, weights=judged.weight))
        figures["expected_in_1000"] = 1_000 * float(np.average(expected, weights=judged.weight))
        return {name: round(value, 5) for name, value in figures.items()}

    def _cases(
        self, since: int, until: int, weights: Terms
    ) -> Iterable[tuple[Case, IntArray, IntArray]]:
        """Of each viewer who liked something in a stretch: what could be recommended at its
        beginning, by rows, and what of that was liked."""
        some = (self._at > since) & (self._at <= until)
        words = self._voices.members.words
        # By id: numbers are given as members come.
        viewers = sorted(np.unique(self._member[some]).tolist(), key=words.__getitem__)
        if len(viewers) > VIEWERS:
            drawn = np.random.default_rng(since).choice(len(viewers), VIEWERS, replace=False)
            viewers = [viewers[i] for i in np.sort(drawn)]
        trusted_by, endorsers = self._trust_at(since), self._endorsers_at(since)
        published = self._snapshot.catalog.column
        for viewer in viewers:
            member_id = words[viewer]
            query = NearQuery(at=datetime.fromtimestamp(since, UTC), kinds=KINDS, radius_m=RADIUS_M)
            try:
                case = case_of(
                    self._snapshot, self._voices, trusted_by(member_id), weights, self._profiles,
                    Viewer(member_id), query, since, endorsers,
                )  # fmt: skip
            except MitoyenError:  # of no published group, or gone
                continue
            rows = case.rows_of(classes_of(KINDS), known=False)
            rows = rows[published("published_at", rows) <= since]
            ids = np.unique(self._listing[some & (self._member == viewer)]).tolist()
            liked = self._snapshot.catalog.rows_of([self._voices.listings.words[i] for i in ids])
            liked = np.intersect1d(liked, rows)
            liked = np.sort(case.best(liked, max(1, len(liked))).rows)  # within reach, and so on
            if len(liked):
                yield case, rows, liked

    def _trust_at(self, at: int) -> Callable[[str], Trusted]:
        """What those say whom somebody trusted at an instant."""
        columns, _, _ = self._known.columns(datetime.fromtimestamp(at, UTC))
        graph, known = TrustGraph(_until(columns, at)), self._known
        members = len(columns.keys)

        def trusted_by(member_id: str) -> Trusted:
            number = known.members.number(member_id)
            if number is None:
                return Trusted()
            blocked = map(known.members.number, self._snapshot.people.blocks.get(member_id, ()))
            evidence = graph.evidence(number, [row for row in blocked if row is not None])
            of_listings = evidence.targets >= members
            ids = [known.listings.words[i - members] for i in evidence.targets[of_listings]]
            weights = evidence.positive[of_listings] * np.exp2(-at / HALF_LIFE_S)
            return Trusted(dict(zip(ids, weights.tolist(), strict=True)))

        return trusted_by

    def _endorsers_at(self, at: int) -> IntArray:
        """Households that endorsed each row by an instant."""
        voices = self._voices
        said = voices.endorsed
        some = (said.at <= at) & (voices.level[said.member] >= VERIFIED_LEVEL)
        household = voices.household[said.member[some]]
        by_then = heard(said.listing[some], household, np.ones(some.sum()))
        catalog = self._snapshot.catalog
        rows = catalog.rows_of([voices.listings.words[i] for i in by_then.listing.tolist()])
        found = np.zeros(len(catalog), np.int64)
        found[rows[rows >= 0]] = by_then.households[rows >= 0]
        return found


def _until(columns: TrustColumns, at: int) -> TrustColumns:
    """What had been said by an instant."""
    said, bonded = columns.endorsed, columns.bonded_at <= at
    rated, endorsed = columns.rated_at <= at, said.at <= at
    return replace(
        columns,
        raters=columns.raters[rated],
        ratees=columns.ratees[rated],
        values=columns.values[rated],
        rated_at=columns.rated_at[rated],
        bonds=columns.bonds[bonded],
        bonded_at=columns.bonded_at[bonded],
        endorsed=replace(
            said,
            members=said.members[endorsed],
            listings=said.listings[endorsed],
            at=said.at[endorsed],
        ),
    )
