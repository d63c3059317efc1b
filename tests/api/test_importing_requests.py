"""The requests of a benchmark's folder: read whole, or refused by file and line."""

import pytest

from api.importing.requests import read_requests
from geo.errors import LayoutError, RowError

HEADER = "request_id,origin_lon,origin_lat,dest_lon,dest_lat,seats,early_s"
GOOD = "1,5.37,43.29,5.41,43.30,1,60"


@pytest.fixture
def folder(tmp_path):
    def write(*lines, header=HEADER, end="\n"):
        (tmp_path / "requests.csv").write_text(end.join([header, *lines]) + end)
        return tmp_path

    return write


def test_requests_are_read_in_the_order_of_the_file(folder):
    ids, requests = read_requests(folder("7,5.37,43.29,5.41,43.30,1,60", "2,5.4,43.3,5.5,43.4,3,0"))
    assert ids.tolist() == [7, 2]
    assert requests.origins.tolist() == [[5.37, 43.29], [5.4, 43.3]]
    assert requests.destinations.tolist() == [[5.41, 43.30], [5.5, 43.4]]
    assert requests.early_s.tolist() == [60.0, 0.0]


def test_columns_may_come_in_any_order_and_be_more_and_be_parted_by_semicolons(folder):
    header = "early_s;note;dest_lat;dest_lon;origin_lat;origin_lon;request_id"
    ids, requests = read_requests(folder("60;hi;43,30;5,41;43,29;5,37;12.0", header=header))
    assert ids.tolist() == [12]
    assert requests.destinations.tolist() == [[5.41, 43.30]]
    assert requests.early_s.tolist() == [60.0]


def test_a_file_of_a_header_alone_has_no_requests(folder):
    ids, requests = read_requests(folder())
    assert (len(ids), len(requests), requests.origins.shape) == (0, 0, (0, 2))


def test_a_folder_without_the_file_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(LayoutError, match=r"wanted a folder with a requests\.csv"):
            read_requests(place)


def test_a_file_in_place_of_the_folder_is_refused(folder):
    with pytest.raises(LayoutError, match=r"wanted a folder with a requests\.csv"):
        read_requests(folder(GOOD) / "requests.csv")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "requests.csv").write_text("")
    with pytest.raises(LayoutError, match="wanted a header line"):
        read_requests(tmp_path)


def test_columns_that_are_missing_are_named(folder):
    with pytest.raises(LayoutError, match="no column dest_lat, early_s; found request_id, origin"):
        read_requests(folder(header="request_id,origin_lon,origin_lat,dest_lon,seats"))


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ("2,nan,43.29,5.41,43.30,1,60", "origin_lon", "wanted a number"),
        ("2,5.37,,5.41,43.30,1,60", "origin_lat", "wanted a number"),
        ("2,5.37,43.29,181,43.30,1,60", "dest_lon", "wanted -180 to 180"),
        ("2,5.37,43.29,5.41,-90.5,1,60", "dest_lat", "wanted -90 to 90"),
        ("2,5.37,43.29,5.41,43.30,1,1e999", "early_s", "wanted a finite number"),
        ("2,5.37,43.29,5.41,43.30,1,soon", "early_s", "wanted a number"),
        ("x,5.37,43.29,5.41,43.30,1,60", "request_id", "wanted a whole number"),
        ("1.5,5.37,43.29,5.41,43.30,1,60", "request_id", "wanted a whole number"),
        ("1,5.37,43.29,5.41,43.30,1,60", "request_id", "request 1 is on line 2 already"),
        ("2,5.37,43.29", "", "wanted 7 values as in the header, got 3"),
    ],
)
def test_a_row_that_is_no_request_is_refused_by_file_and_line(folder, row, field, reason):
    with pytest.raises(RowError, match=rf"requests\.csv, line 3: .*{reason}") as refused:
        read_requests(folder(GOOD, row))
    assert (refused.value.line, refused.value.field) == (3, field)
    assert "181" not in str(refused.value)
    assert "90.5" not in str(refused.value)


def test_the_line_of_a_row_counts_line_ends_inside_quotes(folder):
    header = "note," + HEADER
    with pytest.raises(RowError, match="line 4: early_s"):
        read_requests(folder('"two\nlines",' + GOOD, "x,2,5.4,43.3,5.5,43.4,1,?", header=header))
