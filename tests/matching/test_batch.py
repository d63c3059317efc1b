"""Many questions of one viewer at once are answered as each one alone."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from worlds import make_questions, make_town

from geo.errors import MitoyenError
from indexes.store import open_store
from matching import Engine, NearAnswer, NearQuery, Viewer


def alone(engine: Engine, viewer: Viewer, query: NearQuery) -> NearAnswer | tuple[type, str]:
    try:
        return engine.near(viewer, query)
    except MitoyenError as error:
        return type(error), str(error)


@pytest.mark.parametrize("threads", [1, 3])
def test_each_question_of_many_is_answered_as_if_alone(tmp_path: Path, threads: int) -> None:
    town = make_town(3)
    store = open_store(tmp_path / "town.db")
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    by_viewer = defaultdict(list)
    for viewer, query in make_questions(town, 4, 150):
        by_viewer[viewer].append(query)
        by_viewer[viewer].append(replace(query, limit=0))  # its error spoils no other
    for viewer, queries in by_viewer.items():
        answers = engine.near_many(viewer, queries, threads)
        assert [
            answer if isinstance(answer, NearAnswer) else (type(answer), str(answer))
            for answer in answers
        ] == [alone(engine, viewer, query) for query in queries]
    store.close()


def test_no_questions_have_no_answers(tmp_path: Path) -> None:
    store = open_store(tmp_path / "town.db")
    town = make_town(3)
    town.put(store)
    assert Engine.over(store, town.tenant_id).near_many(Viewer(None), []) == []
    store.close()
