from dataclasses import replace

import pytest
import shapely
from districts_oracle import grid_zones

from geo import cell_to_text
from geo.errors import InputError, NotFoundError
from matching.planning.outlines import Outlines

ZONES = grid_zones()
OUTLINES = Outlines(ZONES)


def other(zone, code: str, commune: str, name: str):
    return replace(zone, code=code, commune_code=commune, commune_name=name)


def test_an_iris_of_marseille_has_three_kinds_of_parent() -> None:
    assert OUTLINES.levels == ("iris", "quartier", "arrondissement", "commune", "cell")
    assert OUTLINES.parents("132010101") == ("1320101", "13201", "13055")
    assert OUTLINES.parents("1320101") == ("13201", "13055")
    assert OUTLINES.parents("13201") == ("13055",)
    assert OUTLINES.parents("13055") == ()
    assert OUTLINES.parents(OUTLINES.codes("cell")[0]) == ()
    assert set(OUTLINES.level("commune").names) == {"Marseille"}


def test_a_commune_of_one_zone_has_no_quartier_and_no_arrondissement() -> None:
    outlines = Outlines([other(ZONES[0], "2A0040000", "2A004", "Ajaccio")])
    assert outlines.levels == ("iris", "commune", "cell")
    assert outlines.parents("2A0040000") == ("2A004",)
    assert outlines.level("commune").names == ("Ajaccio",)


def test_communes_of_both_sorts_lie_side_by_side() -> None:
    lone = other(ZONES[15], "912280000", "91228", "Évry-Courcouronnes")
    outlines = Outlines([*ZONES[:15], lone])
    assert outlines.codes("commune") == ("13055", "91228")
    assert outlines.parents("912280000") == ("91228",)
    assert outlines.positions("iris", "quartier").tolist()[-1] == -1
    assert outlines.positions("quartier", "commune").tolist() == [0, 0, 0, 0]


def test_every_code_has_one_level() -> None:
    for level in OUTLINES.levels:
        for code in OUTLINES.codes(level):
            assert OUTLINES.level_of(code) == level
            assert not OUTLINES.outline(code).is_empty
    for code in ("132019999", "", "8839681527fffff", "x" * 15, "13001"):
        with pytest.raises(NotFoundError) as caught:
            OUTLINES.level_of(code)
        assert caught.value.code == "unknown-zone"


def test_parents_outlines_are_those_of_their_zones_together() -> None:
    for level in ("quartier", "arrondissement", "commune"):
        for code, outline in zip(OUTLINES.codes(level), OUTLINES.outlines(level), strict=True):
            inside = [z.geometry for z in ZONES if code in OUTLINES.parents(z.code)]
            assert outline.symmetric_difference(shapely.union_all(inside)).area < 1e-12


def test_cells_are_those_of_the_pieces_ascending() -> None:
    cells = OUTLINES.cells.tolist()
    assert cells == sorted(set(OUTLINES.pieces[1].tolist()))
    assert OUTLINES.codes("cell") == tuple(map(cell_to_text, cells))


def test_zones_must_be_of_one_vintage_and_each_come_once() -> None:
    with pytest.raises(InputError) as caught:
        Outlines([])
    assert caught.value.code == "no-zones"
    with pytest.raises(InputError, match="one vintage"):
        Outlines([ZONES[0], replace(ZONES[1], vintage=1999)])
    with pytest.raises(InputError, match="twice"):
        Outlines([ZONES[0], ZONES[0]])


def test_a_level_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFoundError) as caught:
        OUTLINES.level("region")
    assert caught.value.code == "unknown-level"
