"""The contours of IRIS zones from IGN's Géoplateforme, by commune: a WFS 2.0 client.

The service answers GeoJSON in pages. It is polite to ask for one commune at a time, and a
page that fails is asked for again, a little later each time.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from geo.errors import InputError, NotFoundError, UnreachableError
from geo.iris import ARRONDISSEMENTS, is_commune_code

__all__ = ["WFS_URL", "communes_to_ask", "fetch_contours"]

WFS_URL = "https://data.geopf.fr/wfs/ows"
LAYER = "STATISTICALUNITS.IRIS:contours_iris"
PAGE = 1000  # features asked for at once; the service may give fewer
MOST_BYTES = 64 << 20  # of one page
MOST_PAGES = 1000
READ_BYTES = 1 << 16


def communes_to_ask(codes: Sequence[str]) -> list[str]:
    """Commune codes as the service knows them, each once: Marseille is its arrondissements.

    Raises
    ------
    InputError
        If a code is no commune code.

    Examples
    --------
    >>> len(communes_to_ask(["13055", "13201"])), communes_to_ask(["91345"])
    (16, ['91345'])
    """
    asked: dict[str, None] = {}
    for code in codes:
        if not is_commune_code(code):
            raise InputError(f"a commune code has five characters, as in 13055; got {code[:20]!r}")
        _, parts = ARRONDISSEMENTS.get(code, ("", (code,)))
        asked.update(dict.fromkeys(parts))
    return list(asked)


def fetch_contours(
    communes: Sequence[str],
    url: str = WFS_URL,
    *,
    timeout_s: float = 30.0,
    attempts: int = 4,
    pause_s: float = 1.0,
    on_commune: Callable[[str, int], None] = lambda commune, zones: None,
) -> dict[str, Any]:
    """Zones of communes as one GeoJSON FeatureCollection.

    Parameters
    ----------
    communes : sequence of str
        Codes as `communes_to_ask` gives them.
    url : str
        The service, http or https.
    timeout_s : float
        For a whole page, connection included.
    attempts : int
        How often a page is asked for before giving up.
    pause_s : float
        Wait before the second attempt; doubled before each further one.
    on_commune : callable
        Told each commune and its number of zones.

    Returns
    -------
    dict
        GeoJSON, EPSG:4326, in the service's layout (the third of `geo.iris`).

    Raises
    ------
    InputError
        If the URL is no http address.
    NotFoundError
        If the service knows no zone of a commune.
    UnreachableError
        If it doesn't answer, or not with GeoJSON.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise InputError("the service's address must start with http:// or https://")
    features: list[Any] = []
    for commune in communes:
        found = list(_features(commune, url, timeout_s, attempts, pause_s))
        if not found:
            raise NotFoundError(f"the service knows no zone of commune {commune}")
        features += found
        on_commune(commune, len(found))
    return {"type": "FeatureCollection", "features": features}


def _features(
    commune: str, url: str, timeout_s: float, attempts: int, pause_s: float
) -> Iterator[Any]:
    start = 0
    for _ in range(MOST_PAGES):
        query = urlencode(
            {
                "service": "WFS",
                "version": "2.0.0",
                "request": "GetFeature",
                "typeNames": LAYER,
                "outputFormat": "application/json",
                "srsName": "EPSG:4326",
                "cql_filter": f"code_insee='{commune}'",
                "sortBy": "code_iris",  # pages of an unordered answer may overlap
                "count": PAGE,
                "startIndex": start,
            }
        )
        page = _page(f"{url}{'&' if '?' in url else '?'}{query}", timeout_s, attempts, pause_s)
        yield from page["features"]
        start += len(page["features"])
        matched = page.get("numberMatched", page.get("totalFeatures"))
        complete = start >= matched if isinstance(matched, int) else len(page["features"]) < PAGE
        if complete:
            return
        if not page["features"]:
            break
    raise UnreachableError(f"the zone service never sends all zones of commune {commune}")


def _page(address: str, timeout_s: float, attempts: int, pause_s: float) -> dict[str, Any]:
    """One page, asked for until it comes whole."""
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause_s * 2 ** (attempt - 1))
        try:
            return _parsed(_read(address, timeout_s))
        except HTTPError as error:
            failure: Exception = error
            why = f"answers {error.code} {error.reason}"
            if error.code < 500 and error.code != 429:  # asking again won't help
                break
        except (URLError, HTTPException, OSError) as error:
            failure = error
            why = f"can't be reached ({getattr(error, 'reason', None) or error})"
        except ValueError as error:
            failure = error
            why = "answers something that is no GeoJSON"
    where = urlsplit(address).netloc
    raise UnreachableError(
        f"the zone service at {where} {why}; a downloaded file does as well: zones import FILE"
    ) from failure


def _read(address: str, timeout_s: float) -> bytes:
    end = time.monotonic() + timeout_s
    request = Request(address, headers={"Accept": "application/json", "User-Agent": "mitoyen"})
    with urlopen(request, timeout=timeout_s) as answer:
        body = bytearray()
        # The timeout holds for each read only: drip by drip, a page could take for ever.
        while chunk := answer.read1(READ_BYTES):
            body += chunk
            if time.monotonic() > end:
                raise TimeoutError(f"no whole page in {timeout_s:.0f} s")
            if len(body) > MOST_BYTES:
                raise ValueError("a page of more than 64 MB")
        length = answer.headers.get("Content-Length")
        if length is not None and length.isdigit() and int(length) != len(body):
            raise ValueError("a page cut short")
        return bytes(body)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        page = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(page, dict) or not isinstance(page.get("features"), list):
        raise ValueError("no FeatureCollection")
    return page
