"""Many questions in one call are answered as each one alone."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from point_cases import Case, cases, spots

from indexes.batch import Question, search_each, search_places
from indexes.columns import class_code
from indexes.points import Plan, PointIndex


@given(cases(), st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_each_question_is_answered_as_if_alone(case: Case, seed: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    index = PointIndex.build(case.columns)
    rules = {class_code(*which): rule for which, rule in case.rules.items()}
    questions = [
        Question(
            Plan({code: rule for code, rule in rules.items() if rng.random() < 0.7}),
            replace(case.ask, origin=tuple(case.columns.lonlat[row].tolist())),
            case.filters if rng.random() < 0.5 else replace_visible(case, rng),
            int(rng.integers(1, 50)),
        )
        for row in rng.integers(0, len(case.columns), rng.integers(0, 30))
    ]
    answers = search_each(index, questions, threads)
    assert len(answers) == len(questions)
    for question, answer in zip(questions, answers, strict=True):
        alone = index.search(question.plan, question.ask, question.filters, question.limit)
        assert answer.rows.tolist() == alone.rows.tolist()
        assert answer.scores.tolist() == alone.scores.tolist()
        assert answer.factors.tolist() == alone.factors.tolist()


def replace_visible(case: Case, rng: np.random.Generator) -> np.ndarray:
    """The same filters for somebody who is in other audiences."""
    return replace(case, visible=(0, *rng.integers(1, 6, 3).tolist())).filters


@given(cases(), st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_many_places_are_answered_as_each_one_alone(case: Case, seed: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    index = PointIndex.build(case.columns)
    origins = np.concatenate([case.columns.lonlat, spots(rng, "Earth", 20)])
    rng.shuffle(origins)
    rows, scores = search_places(
        index, case.plan, case.ask, case.filters, case.limit, origins, threads
    )
    assert rows.shape == scores.shape == (len(origins), case.limit)
    for i in rng.integers(0, len(origins), 10).tolist():
        ask = replace(case.ask, origin=tuple(origins[i].tolist()))
        alone = index.search(case.plan, ask, case.filters, case.limit)
        found = rows[i] >= 0
        assert rows[i][found].tolist() == alone.rows.tolist()
        assert scores[i][found].tolist() == alone.scores.tolist()
        assert not scores[i][~found].any()
