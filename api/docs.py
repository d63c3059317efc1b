"""``/docs``: the OpenAPI document as one page, without script or anything from elsewhere."""

import json
import shlex
from html import escape
from typing import Any
from urllib.parse import urlencode

__all__ = ["page_of"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 14px/1.4 ui-monospace, monospace; background: #f4f4f2 }
pre { padding: .7rem; overflow-x: auto }
details { border-top: 1px solid #ccc; padding: .5rem 0 }
summary { cursor: pointer }
td, th { text-align: left; vertical-align: top; padding: .1rem .8rem .1rem 0 }
"""


def page_of(document: dict[str, Any], base: str = "http://127.0.0.1:8000") -> str:
    """The page: operations by tag, each with who may ask, its parameters, examples and answers.

    Parameters
    ----------
    document : dict
        An OpenAPI 3.1 document.
    base : str
        Where it is served, for the examples.
    """
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            shown = _operation(method.upper(), base, path, operation)
            by_tag.setdefault(operation["tags"][0], []).append(shown)
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(by_tag[tag])}" for tag in by_tag)
    title = f"{escape(document['info']['title'])} {escape(document['info']['version'])}"
    about = escape(document["info"]["description"]).replace("\n\n", "<p>")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style><h1>{title}</h1><p>{about}"
        f'<p><a href="openapi.json">openapi.json</a>{sections}</html>'
    )


def _operation(method: str, base: str, path: str, operation: dict[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{p['in']}<td>{_kind(p['schema'])}"
        f"<td>{escape(p.get('description', ''))}"
        for p in parameters
    )
    examples = "".join(
        f"<p>{escape(name)}<pre>{escape(_curl(method, base + path, operation, body))}</pre>"
        for name, body in _examples(operation)
    )
    if not examples and method == "GET":
        asked = {
            p["name"]: p["schema"]["examples"][0] for p in parameters if "examples" in p["schema"]
        }
        query = f"?{urlencode(asked)}" if asked else ""
        examples = f"<pre>{escape(_curl(method, base + path + query, operation))}</pre>"
    answers = "".join(
        f"<tr><td><code>{status}</code><td>{escape(answer['description'])}"
        for status, answer in sorted(operation["responses"].items())
    )
    return (
        f"<details><summary><code>{method} {escape(path)}</code> {escape(operation['summary'])}"
        f"</summary><p>{escape(operation.get('description', ''))}"
        f"<p>{_who(operation)}<table>{rows}</table>{examples}<table>{answers}</table></details>"
    )


def _who(operation: dict[str, Any]) -> str:
    security = operation.get("security")
    if security is None:
        return "Anyone may ask."
    if {} in security:
        return "Any key; without one, readers on this machine."
    return f"A key with scope {' or '.join(escape(scope) for scope in security[0]['key'])}."


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return escape(schema["$ref"].rsplit("/", 1)[1])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return escape("/".join(map(str, schema["enum"])) if "enum" in schema else schema["type"])


def _examples(operation: dict[str, Any]) -> list[tuple[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {})
    return [
        (name, example["value"])
        for media in content.values()
        for name, example in media.get("examples", {}).items()
    ]


def _curl(method: str, url: str, operation: dict[str, Any], body: Any = None) -> str:
    """A command as a shell takes it: with a key where one is needed."""
    lines = [
        f"curl {shlex.quote(url)}" if method == "GET" else f"curl -X {method} {shlex.quote(url)}"
    ]
    if "security" in operation and {} not in operation["security"]:
        lines.append("-H 'Authorization: Bearer KEY'")
    if body is not None:
        data = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        media_type = "application/x-ndjson" if isinstance(body, str) else "application/json"
        lines += [f"-H 'Content-Type: {media_type}'", f"--data-binary {shlex.quote(data)}"]
    return " \\\n  ".join(lines)
