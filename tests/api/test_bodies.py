"""JSON bodies: whatever comes, a value or a refusal, never a crash."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bodies import MAX_DEPTH, MAX_ITEMS, MAX_JSON_BYTES, strict_json
from geo.errors import InputError

POISON = {
    "not a number": b'{"lat": NaN}',
    "infinity": b'{"lat": -Infinity}',
    "a float that overflows": b'{"lat": 1e400}',
    "a duplicate key": b'{"lat": 1, "lat": 2}',
    "a duplicate key, spelled otherwise": b'{"lat": 1, "l\\u0061t": 2}',
    "a lone surrogate": b'{"q": "\\ud800"}',
    "a lone surrogate as a key": b'{"\\udfff": 1}',
    "NUL": b'{"q": "a\\u0000b"}',
    "a control character": b'{"q": "a\\u0007b"}',
    "an integer of 5,000 digits": b'{"limit": ' + b"9" * 5_000 + b"}",
    "an array 100,000 deep": b"[" * 100_000,
    "an array 100,000 deep, closed": b"[" * 100_000 + b"]" * 100_000,
    "objects 33 deep": b'{"a":' * 33 + b"1" + b"}" * 33,
    "10,001 items": b"[" + b"1," * MAX_ITEMS + b"1]",
    "Latin-1": "é".encode("latin-1"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "nothing": b"",
    "two values": b"{} {}",
    "a comment": b"{} // no",
}


@pytest.mark.parametrize("body", POISON.values(), ids=POISON.keys())
def test_poison_is_refused_with_a_code(body):
    with pytest.raises(InputError) as refused:
        strict_json(body)
    assert refused.value.code in ("malformed-json", "invalid-text")


@pytest.mark.parametrize("body", POISON.values(), ids=POISON.keys())
def test_poison_over_http_is_a_problem_and_never_a_server_error(served, body):
    answer = served.ask(
        "POST", "/v1/near", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("malformed-json", "invalid-text")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(categories=["L"])), inner)
    ),
    max_leaves=20,
)


@given(plain)
def test_sound_json_is_read_as_the_standard_library_reads_it(value):
    assert strict_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode(errors="replace")))
def test_any_bytes_give_a_value_or_a_refusal(data):
    try:
        strict_json(data)
    except InputError:
        return
    json.loads(data)


def test_depth_up_to_the_bound_is_read():
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert strict_json(deepest) is not None
    with pytest.raises(InputError):
        strict_json(b"[" + deepest + b"]")


def test_a_huge_body_is_refused_while_it_is_read(served):
    sent = 0

    def endless():
        nonlocal sent
        while sent < 64 * MAX_JSON_BYTES:
            sent += 65_536
            yield b" " * 65_536

    answer = served.ask(
        "POST", "/v1/near", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["code"] == "body-too-large"


def test_a_body_that_announces_too_much_is_refused(served):
    body = b'{"lat": 43.3, "lon": 5.35}' + b" " * MAX_JSON_BYTES
    answer = served.ask(
        "POST", "/v1/near", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_who_may_not_write_is_told_so_before_the_body_is_read(served):
    answer = served.ask("PUT", "/v1/buildings/x", "planner", content=b"[" * 100_000)
    assert answer.status_code == 403


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_media_type_is_refused(served, media_type):
    answer = served.ask("POST", "/v1/near", content=b"{}", headers={"Content-Type": media_type})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "path, media_type",
    [
        ("/v1/near", "application/json"),
        ("/v1/near/batch", "application/json"),
        ("/v1/import?kind=place", "application/x-ndjson"),
    ],
)
def test_a_compressed_body_is_refused_as_such(served, path, media_type):
    headers = {"Content-Type": media_type, "Content-Encoding": "gzip"}
    answer = served.ask("POST", path, "root", content=gzip.compress(b"{}"), headers=headers)
    assert answer.status_code == 415
    assert "Content-Encoding" in answer.json()["detail"]
    headers["Content-Encoding"] = "identity"
    assert served.ask("POST", path, "root", content=b"", headers=headers).status_code != 415
