"""Log lines: one JSON object each, with fields, and nothing that an exception quotes."""

import json
import logging
import subprocess
import sys

import pytest
from waiting import PATIENCE_S

from api.logs import formatter, request_id
from geo.errors import StoreError


def record_of(message, *args, exc_info=None, **more):
    record = logging.LogRecord("api.access", logging.INFO, "", 0, message, args, exc_info)
    record.__dict__.update(more)
    return record


def line_of(record, format="json"):
    return formatter(format).format(record)


def raised(error, cause=None):
    try:
        raise error from cause
    except type(error):
        return sys.exc_info()


def test_a_record_becomes_one_object_with_its_fields():
    told = request_id.set("r-1")
    record = record_of("GET %s", "/v1/near", fields={"route": "/v1/near", "status": 200, "ms": 0.8})
    line = line_of(record)
    request_id.reset(told)
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "event": "GET /v1/near",
        "level": "info",
        "logger": "api.access",
        "request_id": "r-1",
        "route": "/v1/near",
        "status": 200,
        "ms": 0.8,
    }


@pytest.mark.parametrize("format", ["json", "text"])
def test_an_exception_says_where_and_of_which_class_and_not_what_it_quotes(format):
    crash = raised(ValueError("lat 43.4242"), KeyError("ana"))
    line = line_of(record_of("crashed", exc_info=crash), format)
    assert "ValueError" in line and "KeyError" in line and "in raised" in line
    assert "4242" not in line and "ana'" not in line


def test_an_error_of_ours_says_what_it_says():
    crash = raised(StoreError("the store is busy"))
    assert (
        "the store is busy" in json.loads(line_of(record_of("away", exc_info=crash)))["exception"]
    )


def test_what_caused_an_exception_is_told_before_it_and_a_circle_once():
    cause = KeyError("ana")
    crash = raised(ValueError("lat 43.4242"), cause)
    cause.__context__ = crash[1]  # as when somebody raises a kept exception from a later one
    told = json.loads(line_of(record_of("crashed", exc_info=crash)))["exception"].splitlines()
    assert [line for line in told if " in " not in line] == ["KeyError", "ValueError"]


@pytest.mark.filterwarnings("error::DeprecationWarning")
def test_an_exception_is_told_by_nothing_that_python_gives_up():
    assert "ValueError" in line_of(record_of("crashed", exc_info=raised(ValueError())))


def test_a_stack_that_was_asked_for_is_told():
    assert json.loads(line_of(record_of("slow", stack_info="in f")))["stack_info"] == "in f"


def test_text_has_no_fields_twice():
    line = line_of(record_of("GET / 200 1.0 ms", fields={"status": 200}), "text")
    assert "GET / 200 1.0 ms" in line and "status" not in line


PROGRAM = """
import logging.config
from api.logs import log_config

logging.config.dictConfig(log_config("json"))
logging.getLogger("uvicorn.error").error("Invalid HTTP request received.")
"""


def test_what_other_libraries_log_takes_the_same_form():
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True, text=True, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    found = json.loads(ran.stderr)
    assert (found["logger"], found["level"]) == ("uvicorn.error", "error")
