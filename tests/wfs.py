"""A local server that speaks as IGN's WFS does, or misbehaves."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


def feature(commune: str, number: int) -> dict:
    west = 5.0 + number / 100
    ring = [[west, 43.0], [west + 0.01, 43.0], [west + 0.01, 43.01], [west, 43.01], [west, 43.0]]
    return {
        "type": "Feature",
        "properties": {
            "cleabs": f"IRIS____{commune}{number:04}",
            "code_insee": commune,
            "nom_commune": "Ville",
            "iris": f"{number:04}",
            "code_iris": f"{commune}{number:04}",
            "nom_iris": f"Zone {number}",
            "type_iris": "H",
        },
        "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]},
    }


class Service:
    """A WFS with some zones a commune; ``answer`` may be replaced to misbehave."""

    def __init__(self) -> None:
        self.zones = {"13201": 7, "13202": 2}
        self.most = 3  # features a page, whatever is asked
        self.asked: list[dict[str, str]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = self.properly
        self.url = ""

    def properly(self, request: BaseHTTPRequestHandler) -> None:
        query = self.asked[-1]
        assert query["typeNames"] == "STATISTICALUNITS.IRIS:contours_iris"
        commune = query["cql_filter"].removeprefix("code_insee='").removesuffix("'")
        total = self.zones.get(commune, 0)
        start, count = int(query["startIndex"]), min(self.most, int(query["count"]))
        found = [feature(commune, i) for i in range(start, min(total, start + count))]
        self.send(
            request,
            {
                "type": "FeatureCollection",
                "features": found,
                "totalFeatures": total,
                "numberMatched": total,
                "numberReturned": len(found),
            },
        )

    @staticmethod
    def send(request, body, status=200, **headers) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.send_response(status)
        for name, value in {"Content_Length": str(len(raw)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(raw)


@contextmanager
def wfs_service() -> Iterator[Service]:
    one = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            query = parse_qs(urlsplit(self.path).query)
            one.asked.append({name: values[0] for name, values in query.items()})
            one.answer(self)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    one.url = f"http://127.0.0.1:{server.server_port}/wfs/ows"
    yield one
    server.shutdown()
    thread.join()
    server.server_close()
