"""geo/figures.py: INSEE's files as published, and ours."""

from pathlib import Path

import pytest

from geo.errors import InputError, LayoutError, RowError
from geo.figures import FiguresTable, merge_figures, read_figures

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")


def write(tmp_path, text, name="base-ic-2021.CSV", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_published_columns_get_our_names(tmp_path):
    table = read_figures(
        write(
            tmp_path,
            "IRIS;COM;TYP_IRIS;P21_POP;P21_POP0019;C21_MEN;P21_POP1529\n"
            "010010101;01001;H;1466.33;303,5;676;9\n",
        )
    )
    assert (table.census_year, table.geography_year) == (2021, None)
    assert table.values == {"010010101": {"pop": 1466.33, "pop_0_19": 303.5, "menages": 676.0}}


def test_the_main_survey_rules_where_both_give_a_figure(tmp_path):
    for header, values in (("P21_POP;C21_POP", "10;11"), ("C21_POP;P21_POP", "11;10")):
        table = read_figures(write(tmp_path, f"IRIS;{header}\n990010101;{values}\n"))
        assert table.values["990010101"] == {"pop": 10.0}


def test_plain_columns_take_the_year_from_the_name(tmp_path):
    text = 'code_iris,nom_iris,pop,menages\n990010101,"Port, Vieux",10,4\n'
    table = read_figures(write(tmp_path, text, "figures_rp2021_geo2024.csv"))
    assert (table.census_year, table.geography_year) == (2021, 2024)
    assert table.values == {"990010101": {"pop": 10.0, "menages": 4.0}}
    assert read_figures(write(tmp_path, text, "figures_rp2021.csv"), 2023).geography_year == 2023


def test_the_census_of_1999_is_not_of_2099(tmp_path):
    assert read_figures(write(tmp_path, "IRIS;P99_POP\n990010101;1\n")).census_year == 1999


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_a_byte_order_mark_or_an_old_encoding_does_no_harm(tmp_path, encoding):
    path = write(
        tmp_path, "IRIS;LIBIRIS;P21_POP\r\n990010101;Bonne Mère;7\r\n\r\n", encoding=encoding
    )
    assert read_figures(path).values == {"990010101": {"pop": 7.0}}


def test_an_empty_figure_is_unknown_not_zero(tmp_path):
    table = read_figures(write(tmp_path, "IRIS;P21_POP;P21_LOG\n990010101;;0\n"))
    assert table.values == {"990010101": {"logements": 0.0}}


@pytest.mark.parametrize("figure", ["x", "nan", "inf", "-1", "1e999", "1 466", "1_466", "１２"])
def test_what_is_no_figure_is_refused_with_line_and_column(tmp_path, figure):
    with pytest.raises(RowError, match="P21_POP must be a number") as caught:
        read_figures(write(tmp_path, f"IRIS;P21_POP\n990010101;1\n990010102;{figure}\n"))
    assert (caught.value.line, caught.value.field) == (3, "P21_POP")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("10010101;1", "dropped the leading zero"),
        ("990010101;1\n990010101;1", "comes twice"),
        ("990010101", "1 fields, the header has 2"),
    ],
)
def test_what_is_no_row_is_refused(tmp_path, row, message):
    with pytest.raises(RowError, match=message):
        read_figures(write(tmp_path, f"IRIS;P21_POP\n{row}\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column IRIS"),
        ("COM;P21_POP\n13201;1\n", "no column IRIS"),
        ("x" * 200_000, "line 1: no CSV"),
        ("IRIS;P21_POP\n990010101;" + "1" * 200_000, "line 2: no CSV"),
        ("IRIS;COM\n990010101;99001\n", "none of figures"),
        ("code_iris,pop\n990010101,1\n", "one census year"),
        ("IRIS;P21_POP;P20_LOG\n990010101;1;1\n", "one census year"),
    ],
)
def test_other_files_are_another_layout(tmp_path, text, message):
    with pytest.raises(LayoutError, match=message):
        read_figures(write(tmp_path, text))


def test_a_file_that_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_figures(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="no such file"):
        read_figures(tmp_path)


def test_files_merge_by_code_and_households_are_main_residences_where_none_counts_them():
    one = FiguresTable(2021, None, {"a": {"pop": 10.0}, "b": {"pop": 5.0}})
    other = FiguresTable(2021, 2024, {"a": {"res_principales": 4.0}, "c": {"pop": 1.0}})
    merged = merge_figures([one, other])
    assert merged is not None
    assert (merged.census_year, merged.geography_year) == (2021, 2024)
    assert merged.values == {
        "a": {"pop": 10.0, "res_principales": 4.0, "menages": 4.0},
        "b": {"pop": 5.0},
        "c": {"pop": 1.0},
    }
    households = FiguresTable(2021, None, {"a": {"menages": 4.2}})
    counted = merge_figures([other, households])
    assert counted is not None and counted.values["a"]["menages"] == 4.2


def test_merging_changes_no_table_given():
    one = FiguresTable(2021, None, {"a": {"res_principales": 4.0}})
    merge_figures([one, FiguresTable(2021, None, {"a": {"pop": 1.0}})])
    assert one.values == {"a": {"res_principales": 4.0}}


@pytest.mark.parametrize(
    "other",
    [
        FiguresTable(2020, None, {}),
        FiguresTable(2021, 2023, {}),
        FiguresTable(2021, None, {"a": {"pop": 11.0}}),
    ],
)
def test_files_that_disagree_are_refused(other):
    with pytest.raises(InputError):
        merge_figures([FiguresTable(2021, 2024, {"a": {"pop": 10.0}}), other])


def test_no_files_are_no_figures():
    assert merge_figures([]) is None


@needs_data
def test_the_official_samples_and_the_table_agree():
    samples = merge_figures(map(read_figures, sorted((DATA / "layout_samples").glob("*.CSV"))))
    table = read_figures(DATA / "iris_figures_rp2021.csv")
    assert samples is not None and samples.census_year == table.census_year == 2021
    assert len(samples.values) == 8
    for code, values in samples.values.items():
        assert values == dict(table.values[code])


@needs_data
def test_marseille_counts_what_insee_counts():
    values = read_figures(DATA / "iris_figures_rp2021.csv").values
    marseille = [one for code, one in values.items() if code.startswith("132")]
    assert len(marseille) == 393
    assert sum(one["pop"] for one in marseille) == 873_084
    assert sum(one["menages"] for one in marseille) == 410_241
