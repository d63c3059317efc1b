"""The conformance classes that are declared, and only those that hold.

QGIS sends a filter to the server if it finds ``basic-cql2``, ``cql2-text``, ``filter`` and
``features-filter``; ``advanced-comparison-operators`` brings LIKE, BETWEEN and IN,
``case-insensitive-comparison`` ILIKE, ``basic-spatial-functions`` boxes and points. Without
them it pulls every feature and filters itself.
"""

__all__ = ["CONFORMANCE"]

_OGC = "http://www.opengis.net/spec"
_CQL2 = (
    "cql2-text",
    "cql2-json",
    "basic-cql2",
    "advanced-comparison-operators",
    "case-insensitive-comparison",
    "accent-insensitive-comparison",
    "basic-spatial-functions",
    "basic-spatial-operators",  # what drafts called the line above, and QGIS before 3.44 asks for
    "basic-spatial-functions-plus",
    "spatial-functions",
    "property-property",
    "arithmetic",
)
CONFORMANCE = (
    f"{_OGC}/ogcapi-common-1/1.0/conf/core",
    f"{_OGC}/ogcapi-common-1/1.0/conf/json",
    f"{_OGC}/ogcapi-common-1/1.0/conf/html",
    f"{_OGC}/ogcapi-common-2/1.0/conf/collections",
    f"{_OGC}/ogcapi-features-1/1.0/conf/core",
    f"{_OGC}/ogcapi-features-1/1.0/conf/oas30",
    f"{_OGC}/ogcapi-features-1/1.0/conf/geojson",
    f"{_OGC}/ogcapi-features-1/1.0/conf/html",
    f"{_OGC}/ogcapi-features-2/1.0/conf/crs",
    f"{_OGC}/ogcapi-features-3/1.0/conf/queryables",
    f"{_OGC}/ogcapi-features-3/1.0/conf/queryables-query-parameters",
    f"{_OGC}/ogcapi-features-3/1.0/conf/filter",
    f"{_OGC}/ogcapi-features-3/1.0/conf/features-filter",
    *(f"{_OGC}/cql2/1.0/conf/{name}" for name in _CQL2),
    f"{_OGC}/ogcapi-tiles-1/1.0/conf/core",
    f"{_OGC}/ogcapi-tiles-1/1.0/conf/tileset",
    f"{_OGC}/ogcapi-tiles-1/1.0/conf/tilesets-list",
    f"{_OGC}/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
    f"{_OGC}/ogcapi-tiles-1/1.0/conf/mvt",
    f"{_OGC}/tms/2.0/conf/tilematrixset",
    f"{_OGC}/tms/2.0/conf/json-tilematrixset",
)
