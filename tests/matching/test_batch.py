"""Many questions of one viewer at once."""

import pytest

from geo.errors import DeniedError, InputError
from matching.batch import near_many
from matching.query import ANYONE


def test_an_error_stands_in_its_place_and_spoils_no_other():
    errors = {1: InputError("no"), 2: DeniedError("not you")}

    def near(viewer, query):
        assert viewer is ANYONE
        if query in errors:
            raise errors[query]
        return query * 10

    assert near_many(near, ANYONE, [0, 1, 2, 3]) == [0, errors[1], errors[2], 30]


def test_what_is_no_fault_of_a_question_is_raised():
    def near(viewer, query):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        near_many(near, ANYONE, [0])
