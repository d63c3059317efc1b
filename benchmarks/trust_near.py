"""What near me costs where each member's trust enters the score, beside the same without."""

import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.near_workloads import LIMIT
from benchmarks.trust_ratings import town_ratings
from indexes.columns import ALWAYS_TO
from indexes.entities import Kind
from indexes.header import HIDDEN_ROWS
from indexes.points import Ask, PointIndex, pack_filters
from indexes.sample import SamplePoints, sample_points
from indexes.store import LISTING_SCHEMA, MEMBER_SCHEMA, Position, Store
from indexes.trusting import (
    ENDORSEMENT_SCHEMA,
    RATING_SCHEMA,
    STANDING_SCHEMA,
    VOUCH_SCHEMA,
)
from matching.hours import HoursTable
from matching.near import plan_of
from matching.scoring import Profiles
from matching.towns.catalog import Catalog, Segment
from matching.towns.people import Members, People
from matching.towns.ranks import Ranks
from matching.towns.snapshot import Snapshot
from matching.towns.strings import SortedIds
from matching.towns.vocabulary import Vocabulary
from matching.trusting.town import TrustTown
from matching.trusting.viewing import Views

__all__ = ["near_cost"]

PER_BUILDING = 4  # owners of `indexes.sample.sample_points`, in order
RADIUS_M = 2_000.0
KINDS = tuple(Kind)
START = Position("bench", 0, 0)


class _Tables:
    """A store that has tables of a made-up town and nothing else."""

    def __init__(self, points: SamplePoints, members: int, ratings: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.ids = np.array([f"m{i:07}" for i in range(members)])
        said = town_ratings(members, ratings, seed)
        columns = points.columns
        self.listings = np.array([f"l{i:08}" for i in range(len(columns))])
        home = np.arange(members) // PER_BUILDING
        self.member_columns = {
            "id": self.ids,
            "level": rng.integers(1, 5, members),
            "household": [f"h{i // 2}" for i in range(members)],
            "group": [f"g{i // 5}" for i in home],
        }
        self.rating_columns = {
            "id": [f"r{i:08}" for i in range(len(said))],
            "rater": self.ids[said.raters],
            "ratee": self.ids[said.ratees],
            "stars": np.clip(np.rint(2 * said.values + 3), 1, 5),
            "created_at": said.at,
            "opens_at": said.at,
        }
        # Two of each public listing's neighbours recommend it, on average.
        public = np.flatnonzero(~columns.personal & (columns.owner >= 0))
        public = np.sort(rng.choice(public, 2 * len(public)))
        near = columns.owner[public] + np.rint(60 * rng.normal(size=len(public))).astype(int)
        pairs = np.unique(public * members + near % members)
        self.endorsement_columns = {
            "listing": self.listings[pairs // members],
            "member": self.ids[pairs % members],
            "household": [f"h{i // 2}" for i in (pairs % members).tolist()],
            "created_at": points.at - rng.integers(0, 700 * 86_400, len(pairs)),
            "attested": ["registry"] * len(pairs),
        }

    def position(self) -> Position:
        return START

    def member_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        return _table(MEMBER_SCHEMA, self.member_columns)

    def rating_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        return _table(RATING_SCHEMA, self.rating_columns)

    def vouch_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        return VOUCH_SCHEMA.empty_table()

    def standing_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        return STANDING_SCHEMA.empty_table()

    def endorsement_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        return _table(ENDORSEMENT_SCHEMA, self.endorsement_columns)


def _table(schema: pa.Schema, columns: dict[str, Any]) -> pa.Table:
    """Columns as a store gives them, null where there is none."""
    n = len(next(iter(columns.values())))
    return pa.table(
        [
            pa.array(columns[field.name]).cast(field.type)
            if field.name in columns
            else pa.nulls(n, field.type)
            for field in schema
        ],
        schema=schema,
    )


def near_cost(members: int, ratings: int, viewers: int, seed: int) -> dict[str, float]:
    """Milliseconds of a member's best twenty within 2 km, with and without their trust.

    Half ask one kind, half all eight; each from home. ``first_ms`` is what a viewer's first
    question takes more than the next ones: walks, levels and overlay are then kept. Processor
    time, the shortest of three turns each, in turns.
    """
    points = sample_points(2 * members, seed)
    store: Any = _Tables(points, members, ratings, seed)
    snapshot = _snapshot(points, store)
    town: Store = store
    views = Views(TrustTown(town, "t", lambda: datetime.fromtimestamp(points.at, UTC)), b"")
    profiles = Profiles.load()
    rng = np.random.default_rng(seed)
    asked = rng.choice(members, viewers, replace=False).tolist()
    questions = []
    for i, member in enumerate(asked):
        kinds = KINDS if i % 2 else (KINDS[rng.integers(len(KINDS))],)
        lon, lat = points.groups[member // PER_BUILDING].tolist()
        zone = 2 + int(points.zones[member // PER_BUILDING])
        filters = pack_filters((0, 1, zone), (), (), points.hours_states)
        ask = Ask((lon, lat), points.at, radius_m=RADIUS_M)
        questions.append((plan_of(profiles, kinds), ask, filters, LIMIT))
    taken = np.zeros((4, 2, viewers))
    rows = 0
    for turn in taken:
        for i, (member, question) in enumerate(zip(asked, questions, strict=True)):
            before = time.thread_time()
            snapshot.index.search(*question)
            between = time.thread_time()
            seen, _ = views.seen_by(snapshot, str(store.ids[member]))
            seen.index.search(*question)
            turn[:, i] = between - before, time.thread_time() - between
            rows += int(seen.index._header[HIDDEN_ROWS])
    without, within = np.percentile(1e3 * taken[1:].min(axis=0), 50, axis=1)
    first = np.percentile(1e3 * (taken[0, 1] - taken[1:, 1].min(axis=0))[viewers // 10 :], 50)
    return {
        "near_p50_ms": round(float(without), 4),
        "near_trust_p50_ms": round(float(within), 4),
        "near_trust_ratio": round(float(within / without), 2),
        "near_trust_first_ms": round(float(first), 2),
        "near_trust_rows": round(rows / taken.shape[0] / viewers, 1),
        "near_listings": len(points.columns),
    }


def _snapshot(points: SamplePoints, store: _Tables) -> Snapshot:
    """A town of these listings, to whom nobody is known."""
    columns = replace(
        points.columns,
        trust=np.full(len(points.columns), 0.25),
        reach_m=np.full(len(points.columns), ALWAYS_TO, np.int32),
    )
    table = _table(LISTING_SCHEMA, {"id": store.listings})
    vocabulary = Vocabulary(None)
    vocabulary.owners.codes(pa.array(store.ids))
    nobody = Members(MEMBER_SCHEMA.empty_table())
    return Snapshot(
        index=PointIndex.build(columns),
        catalog=Catalog(vocabulary, Segment(table, columns)),
        people=People(nobody, {}, {}),
        hours=HoursTable((), "Europe/Paris"),
        vocabulary=vocabulary,
        ranks=Ranks(SortedIds(table["id"].chunk(0))),
        position=START,
    )
