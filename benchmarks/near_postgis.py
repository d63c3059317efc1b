"""PostGIS as a peer, over its socket: asked plainly, and as smartly as we know."""

import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import log
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
from cluster import PostgisMissingError, postgis_server
from psycopg.rows import tuple_row

from benchmarks.near_peers import PeerMissingError
from benchmarks.near_ranking import Ranked, best
from benchmarks.near_workloads import LIMIT, Question, Workload
from geo.distance import EARTH_RADIUS_M
from indexes.columns import ALWAYS_TO, EPOCH_S, IN_STOCK, SOLD_OUT

__all__ = ["PostgisTable", "tuned_postgis"]

COLUMNS = (
    *("personal", "trust", "valid_from", "valid_to", "fresh_at", "audience", "reach_m"),
    *("hours", "owner", "category", "stock"),
)
TYPES = {"personal": "boolean", "trust": "float8"}
DAY_S = 86_400
SHARED_BUFFERS = "1GB"

# PostGIS measures on the sphere of radius (2a + b) / 3, all others on that radius rounded.
TO_OURS = EARTH_RADIUS_M / ((2 * 6_378_137.0 + 6_356_752.314245179) / 3)

VALID = "valid_from <= %(at)s AND %(at)s < valid_to"
FILTERS = {
    "W1": VALID,
    "W2": f"""{VALID} AND audience = ANY(%(visible)s) AND owner <> ALL(%(blocked)s)
        AND (state = 2 OR NOT %(open_now)s)
        AND (%(depths)s::int[] IS NULL OR (%(depths)s::int[])[category + 1] > 0)""",
    "KNN": "true",
}
# PostgreSQL raises an error where others round to nothing: hence the least exponent.
FADED = "exp(greatest(-700, rule.rate * (greatest(0, {m} - rule.offset_m) / rule.scale_m) ^ 2))"
SCORED_M = """CASE WHEN NOT personal OR d = 0 THEN d WHEN d < 500 THEN 500 WHEN d < 1000 THEN 1000
    WHEN d < 2000 THEN 2000 WHEN d < 5000 THEN 5000 ELSE 'Infinity' END"""
SCORES = {
    "W1": "0.6 * exp(greatest(-700, -d / 300)) + 0.4 * trust",
    "W2": f"""rule.w0 * {FADED.format(m=f"({SCORED_M})")} + rule.w1 * trust
        + rule.w2 * CASE rule.fresh
            WHEN 'half-life' THEN 0.5::float8 ^ (greatest(0, %(at)s - fresh_at) / {14.0 * DAY_S})
            WHEN 'event'
            THEN least(1, greatest(0, ({30.0 * DAY_S} + %(at)s - fresh_at) / {28.0 * DAY_S}))
            ELSE 1 END
        + rule.w3 * CASE WHEN stock = {SOLD_OUT} OR state = 0 THEN 0
            WHEN stock = {IN_STOCK} OR state = 2 THEN 1 ELSE 0.5 END
        + rule.w4 * CASE WHEN %(depths)s::int[] IS NULL THEN 1
            ELSE %(depth)s::float8 / (%(depths)s::int[])[category + 1] END""",
}
TIES = {"W1": "d", "W2": SCORED_M}
# No point at d or beyond scores more.
BOUNDS = {
    "W1": "0.6 * exp(greatest(-700, -d / 300)) + 0.4",
    "W2": f"rule.w0 * {FADED.format(m='d')} + rule.w1 + rule.w2 + rule.w3 + rule.w4",
}
RANKED = """SELECT row, d, reach_m, {bound} AS bound,
    floor(({score}) * 1e9 + 0.5) AS score, floor(({tie}) * 1000 + 0.5) AS tie"""

PLAIN = """
SELECT score, tie, row FROM rules AS rule CROSS JOIN LATERAL (
    {ranked} FROM (
        SELECT *, ST_Distance(geog, %(here)s::geography, false) * {to_ours} AS d FROM points
        WHERE class = rule.class AND ST_DWithin(geog, %(here)s::geography, %(radius)s, false)
            AND {filters}
    ) AS near WHERE d <= reach_m OR reach_m = {always}
) AS found
WHERE rule.class = ANY(%(classes)s) ORDER BY score DESC, tie, row LIMIT {limit}"""

NEAREST = """
SELECT (geog <-> %(here)s::geography) * {to_ours} AS d, row FROM points
WHERE class = (%(classes)s::int[])[1]
ORDER BY geog <-> %(here)s::geography FETCH FIRST {limit} ROWS WITH TIES"""

# The nearest first, class after class, until nothing farther could be among the best.
SMART = """
CREATE FUNCTION smart(classes int[], here geography, radius float8, at int, visible int[],
    blocked int[], open_now boolean, depths int[], depth int)
RETURNS TABLE (score_ float8, tie_ float8, row_ int) LANGUAGE plpgsql STABLE AS $$
DECLARE
    rule rules;
    one record;
    i int;
    scores float8[] := '{{}}';
    ties float8[] := '{{}}';
    rows int[] := '{{}}';
    nearest CURSOR FOR {ranked} FROM (
        SELECT *, (geog <-> here) * {to_ours} AS d FROM points
        WHERE class = rule.class AND {filters} ORDER BY geog <-> here
    ) AS near;
BEGIN
    FOR rule IN SELECT * FROM rules WHERE class = ANY(classes) LOOP
        OPEN nearest;
        LOOP
            FETCH nearest INTO one;
            EXIT WHEN NOT FOUND OR one.d > radius;
            i := cardinality(rows);
            EXIT WHEN i = {limit} AND one.bound * 1e9 + 1 < scores[{limit}];
            CONTINUE WHEN one.d > one.reach_m AND one.reach_m <> {always};
            CONTINUE WHEN i = {limit} AND one.score < scores[{limit}];
            WHILE i > 0 AND (one.score > scores[i] OR one.score = scores[i]
                    AND (one.tie, one.row) < (ties[i], rows[i])) LOOP
                i := i - 1;
            END LOOP;
            CONTINUE WHEN i = {limit};
            scores := (scores[:i] || one.score || scores[i + 1:])[:{limit}];
            ties := (ties[:i] || one.tie || ties[i + 1:])[:{limit}];
            rows := (rows[:i] || one.row || rows[i + 1:])[:{limit}];
        END LOOP;
        CLOSE nearest;
    END LOOP;
    RETURN QUERY SELECT * FROM unnest(scores, ties, rows);
END $$"""
CALL = """SELECT * FROM smart(%(classes)s, %(here)s, %(radius)s, %(at)s, %(visible)s, %(blocked)s,
    %(open_now)s, %(depths)s, %(depth)s)"""


@contextmanager
def tuned_postgis() -> Iterator[str]:
    """An empty database on a server whose cache holds all, and that doesn't compile queries.

    Raises
    ------
    PeerMissingError
        If no PostGIS can be had.
    """
    try:
        with postgis_server() as server:
            if server.restart is not None:
                with psycopg.connect(server.dsn, autocommit=True) as connection:
                    connection.execute(f"ALTER SYSTEM SET shared_buffers = '{SHARED_BUFFERS}'")
                    connection.execute("ALTER SYSTEM SET jit = off")
                    connection.execute("CHECKPOINT")  # it restarts as after a crash
                server.restart()
            with server.database() as dsn:
                yield dsn
    except PostgisMissingError as error:
        raise PeerMissingError(str(error)) from error


class PostgisTable:
    """The points of a workload in PostGIS: in the order of their geohash, one GiST index over
    class and place, built after all rows are in."""

    def __init__(self, dsn: str, workload: Workload) -> None:
        self._dsn = dsn
        self.workload = workload
        self._points = len(workload.columns)
        name = workload.name
        ranked = "" if name == "KNN" else RANKED.format(
            score=SCORES[name], tie=TIES[name], bound=BOUNDS[name]
        )  # fmt: skip
        self._sql = partial(
            str.format,
            ranked=ranked,
            filters=FILTERS[name],
            to_ours=repr(TO_OURS),
            always=ALWAYS_TO,
            limit=LIMIT,
        )
        start = time.perf_counter()
        with self._connect() as connection:
            self._fill(connection)
            self.build_s = time.perf_counter() - start
            cursor = connection.execute("SELECT pg_total_relation_size('points')")
            self.bytes_in_all = cursor.fetchall()[0][0] / self._points
            if name != "KNN":
                body = re.sub(r"%\((\w+)\)s", r"\1", self._sql(SMART))
                connection.execute(body)

    def _connect(self, options: str = "") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self._dsn, autocommit=True, options=options, row_factory=tuple_row)

    def _fill(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        columns = self.workload.columns
        kept = {name: getattr(columns, name) for name in COLUMNS}
        states = next(iter(self.workload.questions.values()))[0].hours
        state = states[columns.hours] if len(states) else np.ones(self._points, np.int32)
        lon, lat = columns.lonlat.T
        kept |= {"state": np.where(columns.hours >= 0, state, 1), "class": columns.classes}
        table = pa.table({"row": np.arange(self._points), "lon": lon, "lat": lat, **kept})
        declared = ", ".join(f"{name} {TYPES.get(name, 'int')}" for name in kept)
        rules: dict[int, Any] = {}
        for questions in self.workload.questions.values():
            for question in questions:
                rules |= question.rules
        for statement in (
            "CREATE EXTENSION IF NOT EXISTS btree_gist",
            f"CREATE UNLOGGED TABLE raw (row int, lon float8, lat float8, {declared})",
            """CREATE TABLE rules (class int, w0 float8, w1 float8, w2 float8, w3 float8, w4 float8,
            offset_m float8, scale_m float8, rate float8, fresh text)""",
        ):
            connection.execute(statement)
        data = io.BytesIO()
        pyarrow.csv.write_csv(table, data, pyarrow.csv.WriteOptions(include_header=False))
        cursor = connection.cursor()
        with cursor.copy("COPY raw FROM STDIN (FORMAT csv)") as copy:
            copy.write(data.getbuffer())
        cursor.executemany(
            "INSERT INTO rules VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (code, *rule.weights, rule.offset_m, rule.scale_m, log(rule.decay), rule.fresh)
                for code, rule in rules.items()
            ],
        )
        names = ", ".join(kept)
        for statement in (
            f"""CREATE UNLOGGED TABLE points AS
            SELECT row, ST_Point(lon, lat, 4326)::geography AS geog, {names}
            FROM raw ORDER BY ST_GeoHash(ST_Point(lon, lat, 4326))""",
            "DROP TABLE raw",
            "CREATE INDEX ON points USING gist (class, geog)",
            "VACUUM ANALYZE points",
            "ANALYZE rules",
        ):
            connection.execute(statement)

    def plain(self) -> "PostgisPeer":
        """ST_DWithin and a sort; the nearest by ``<->``."""
        query = self._sql(NEAREST if self.workload.by_distance else PLAIN)
        return PostgisPeer("PostGIS", self, self._connect(), query)

    def smart(self) -> "PostgisPeer":
        """A cursor over the nearest that stops at the bound."""
        if self.workload.by_distance:
            raise PeerMissingError("the plain query is smart already: <-> on the index")
        # A cursor is read from its front: never sort what the index gives in order.
        options = "-c enable_sort=off -c enable_bitmapscan=off -c enable_seqscan=off"
        return PostgisPeer("PostGIS cursor", self, self._connect(options), CALL)

    def drop(self) -> None:
        """Forget the points."""
        with self._connect() as connection:
            connection.execute("DROP FUNCTION IF EXISTS smart")
            connection.execute("DROP TABLE points, rules")


class PostgisPeer:
    """One way of asking a table."""

    slack = 2

    def __init__(
        self,
        name: str,
        table: PostgisTable,
        connection: psycopg.Connection[tuple[Any, ...]],
        query: str,
    ) -> None:
        self.name = name
        self.build_s = table.build_s
        self._table = table
        self._query = query
        self._cursor = connection.cursor(binary=True)
        self._by_distance = table.workload.by_distance

    def ask(self, question: Question) -> list[tuple[Any, ...]]:
        lon, lat = question.ask.origin
        given = {
            "classes": list(question.rules),
            "here": f"SRID=4326;POINT({lon!r} {lat!r})",
            "radius": question.ask.radius_m,
            "at": question.ask.at - EPOCH_S,
            "visible": list(question.visible),
            "blocked": list(question.blocked),
            "open_now": question.ask.open_now,
            "depths": None if question.depths is None else question.depths.tolist(),
            "depth": question.ask.depth,
        }
        return self._cursor.execute(self._query, given, prepare=True).fetchall()

    def answer(self, question: Question) -> Ranked:
        if self._by_distance:
            found = self.ask(question)
            return best([(-int(d * 1000.0 + 0.5), 0, row) for d, row in found])
        return [
            (int(score), 2**62 if np.isinf(tie) else int(tie), row)
            for score, tie, row in self.ask(question)
        ]

    def bytes_per_point(self) -> float:
        return self._table.bytes_in_all

    def bytes_in_all(self) -> float:
        return self._table.bytes_in_all
