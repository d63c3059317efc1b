"""QGIS itself as a client: what it filters, it filters on the server.

It comes with a Python of its own: `MITOYEN_TEST_QGIS` says how that is called, else ``python3`` of
the system is tried. Without QGIS 3.32 or newer, the first that sends CQL2, these tests are skipped.
"""

import json
import os
import shlex
import subprocess
from functools import cache

import pytest
from waiting import PATIENCE_S

PYTHON = shlex.split(os.environ.get("MITOYEN_TEST_QGIS", "/usr/bin/python3"))
ENVIRONMENT = {"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", "HOME": "/tmp"}
CLIENT = """
import json, sys
from qgis.core import *
app = QgsApplication([], False)
app.initQgis()
told = []
for address, collection, system, expression, box in json.loads(sys.argv[1]):
    source = f"url='{address}' typename='{collection}' srsname='{system}' pagingEnabled='true'"
    source += " restrictToRequestBBOX='1' pageSize='7'"
    layer = QgsVectorLayer(source, collection, "OAPIF")
    request = QgsFeatureRequest()
    if expression:
        request.setFilterExpression(expression)
    if box:
        request.setFilterRect(QgsRectangle(*box))
    found = {}
    for feature in layer.getFeatures(request):
        shape = feature.geometry().boundingBox()
        found[feature["id"]] = [shape.xMinimum(), shape.yMinimum()]
    told.append([layer.isValid(), layer.crs().authid(), found])
print("TOLD", json.dumps(told))
"""


def run(code, *words):
    try:
        return subprocess.run(
            [*PYTHON, "-c", code, *words],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    except OSError as error:
        return subprocess.CompletedProcess(PYTHON, 127, "", str(error))


@cache
def version():
    told = run("from qgis.core import Qgis; print('VERSION', Qgis.QGIS_VERSION_INT)").stdout
    return int(told.split("VERSION")[1]) if "VERSION" in told else 0


@pytest.fixture(scope="module")
def qgis():
    if version() < 33_200:
        pytest.skip("no QGIS 3.32 or newer: set MITOYEN_TEST_QGIS to a Python that imports it")

    def read(*asked):
        done = run(CLIENT, json.dumps(asked))
        assert done.returncode == 0 and "TOLD" in done.stdout, done.stderr
        return json.loads(done.stdout.split("TOLD")[1])

    return read


BOX = (5.305, 43.265, 5.315, 43.275)
METRES = "http://www.opengis.net/def/crs/EPSG/0/2154"


def test_qgis_filters_on_the_server_and_turns_every_page(qgis, address, town):
    filtered = '"level" = \'iris\' AND "penetration" > 2'
    town.log.clear()
    ours, latitude_first, lambert, whole = qgis(
        (address, "districts", "OGC:CRS84", filtered, None),
        (address, "districts", "EPSG:4326", None, BOX),
        (address, "zones", "EPSG:2154", None, (887_000, 6_243_000, 888_000, 6_244_000)),
        (address, "gaps", "OGC:CRS84", None, None),
    )
    asked = [params for params in town.asked(of="districts") if "filter" in params]
    assert asked and all(one["filter-lang"] == "cql2-text" for one in asked)
    assert ours[0] and set(ours[2]) == set(
        town.ids("districts", filter="level = 'iris' AND penetration > 2")
    )

    boxes = [params for params in town.asked(of="districts") if "bbox" in params]
    assert boxes and float(boxes[0]["bbox"].split(",")[0]) == pytest.approx(43.265)
    assert set(latitude_first[2]) == set(town.ids("districts", bbox="5.305,43.265,5.315,43.275"))
    assert all(5 < x < 6 and 43 < y < 44 for x, y in latitude_first[2].values())

    boxed = {"bbox": "887000,6243000,888000,6244000", "bbox-crs": METRES}
    assert lambert[1] == "EPSG:2154" and set(lambert[2]) == set(town.ids("zones", **boxed))
    assert any("bbox" in params for params in town.asked(of="zones"))
    assert lambert[2] and all(x > 800_000 and y > 6_000_000 for x, y in lambert[2].values())

    assert set(whole[2]) == set(town.ids("gaps"))
    assert {"7", "14"} <= {params.get("offset") for params in town.asked(of="gaps")}
