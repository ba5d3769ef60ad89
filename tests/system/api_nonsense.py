"""Requests no client would send on purpose: made of the API's definitions, then broken.

``requests(document)`` is a hypothesis strategy. Who comes in: ``test_api_nonsense.py``, which sends them to a daemon.
Strings never name a place of the host, so that a body that happens to be valid does no harm there. That, and the mix of
what is right and wrong, is why these are strategies of our own and not those schemathesis derives.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

VICTIM, IMAGE, EXEC = "{victim}", "busybox", "{exec}"
"""Names the sender puts real things in place of: a container that runs, and an exec in it."""

# Would take things away that other requests need, reach for the network, or are not the daemon's to answer at once.
UNSENT = (
    *(("POST", f"/{kind}/prune") for kind in ("containers", "images", "networks", "volumes")),
    ("POST", "/auth"),
    ("POST", "/session"),
)
# A cgroup that is named stays, with dockerd as well.
_UNSAID = ("CgroupParent",)
_THERE = ("containers", "exec", "images", "volumes", "networks", "commit", "events", "system")
_BODIES = ("/containers/create", "/containers/create", "/containers/{id}/exec", "/containers/{id}/update", "/commit")
_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH")
_INTEGERS = (0, 1, -1, 2, 80, 1024, 65536, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30)
_WORDS = (
    *("", " ", "a", "0", "-1", "1", "true", "null", "no", "always", "on-failure", "container:", "container:a", "host"),
    *("none", "bridge", "a:b", "a:b:c", "a=b", "=", "80/tcp", "80-70/tcp", "99999/tcp", "tcp", "1.2.3.4", "::1", "1h"),
    *("busybox", "busybox:latest", "sha256:00", "sha256:" + "f" * 64, "@", "a@sha256:x", "A", "a/b:c", "../..", "a\0b"),
    *("\x1b[2J", "\n", "💥", "é" * 300, "x" * 5000, "%s%n", "${HOME}", "'", '"', "[", "{", "2024-01-01"),
    *("json-file", "local", "private", "shareable", "seccomp={", "apparmor=x", "label=disable", "CAP_SYS_ADMIN", "ALL"),
)
_NO_DOCUMENTS = (b"", b"{", b"[", b"null", b"[]", b"\0", b"{}{}", b'{"a":NaN}', b"\xff\xfe", b'"\\ud800"')
_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.sampled_from(_INTEGERS) | st.floats(allow_nan=False) | st.sampled_from(_WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=3),
    max_leaves=5,
)
_FILTERS = st.one_of(
    st.sampled_from(("{}", "[]", "null", "{", '{"a":1}', '{"label":["a=b"]}', '{"until":["x"]}', '{"id":{"a":1}}')),
    st.dictionaries(
        st.sampled_from(("id", "name", "label", "status", "since", "before", "until", "type", "event", "volume", "a")),
        st.lists(st.sampled_from(_WORDS), max_size=3)
        | st.dictionaries(st.sampled_from(_WORDS), st.booleans(), max_size=2)
        | _JUNK,
        max_size=3,
    ).map(json.dumps),
)


@dataclass(frozen=True, slots=True)
class Nonsense:
    """One request; ``path`` has its query, and may hold ``VICTIM`` and ``EXEC``."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@st.composite
def requests(draw: st.DrawFn, document: dict[str, Any]) -> Nonsense:
    """A request to one of the operations of ``document`` (OpenAPI 2): right in many ways, and wrong in some."""
    # What is there more often than what is refused anyway.
    there = [path for path in document["paths"] if path.split("/")[1] in _THERE]
    path = draw(st.sampled_from((*sorted(document["paths"]), *sorted(there) * 3, *_BODIES * 40)))
    methods = sorted(method.upper() for method in document["paths"][path])
    method = draw(st.sampled_from([*methods, *methods, *methods, draw(st.sampled_from(_METHODS))]))
    if (method, path) in UNSENT:
        method, path = "GET", "/info"
    operation = document["paths"][path].get(method.lower(), {})
    parameters = operation.get("parameters", [])
    query = draw(_query([one for one in parameters if one["in"] == "query"]))
    schema = next((one["schema"] for one in parameters if one["in"] == "body"), {})
    body = draw(_body(document, schema)) if method in ("POST", "PUT") else None
    version = draw(st.sampled_from((*("", "/v1.24", "/v1.40", "/v1.51", "/v1.55") * 5, "/v1.99", "/v1.", "/v..")))
    headers = draw(_headers()) if body is not None else {}
    return Nonsense(method, f"{version}{draw(_named(path, method))}{query}", body, headers)


@st.composite
def _named(draw: st.DrawFn, path: str, method: str) -> str:
    """``path`` with names: now and then of something that is there, unless it would be gone then."""
    real = {"containers": VICTIM, "exec": EXEC, "images": IMAGE, "networks": "bridge"}.get(path.split("/")[1], "a")
    parts = []
    for part in path.split("/"):
        if part.startswith("{"):
            there = method != "DELETE" and draw(st.booleans())
            word = draw(st.sampled_from([word for word in _WORDS if not word.startswith(IMAGE)]))
            part = real if there else quote(word.encode(errors="replace"), safe="")
        parts.append(part)
    return "/".join(parts)


@st.composite
def _query(draw: st.DrawFn, parameters: list[dict[str, Any]]) -> str:
    words: list[tuple[str, str]] = []
    for one in parameters:
        for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
            if one["name"] == "filters":
                value = draw(_FILTERS)
            else:
                value = str(draw(st.sampled_from(_INTEGERS) | st.sampled_from(_WORDS) | st.booleans()))
            # What names a place to fetch from has to be none.
            words.append((one["name"], "-" if one["name"] in ("fromSrc", "remote") else value))
    pairs = [(name, value.encode(errors="replace")) for name, value in words if name not in ("fromImage", "term")]
    return f"?{urlencode(pairs)}" if pairs else ""


@st.composite
def _headers(draw: st.DrawFn) -> dict[str, str]:
    types = ("application/json",) * 40 + (
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-tar",
        "",
        "x/",
    )
    headers = {"Content-Type": draw(st.sampled_from(types))}
    if draw(st.integers(0, 9)) == 0:
        headers["X-Registry-Auth"] = draw(st.sampled_from(("", "e30=", "!!!", "bnVsbA==", "A" * 9000)))
    return headers


@st.composite
def _body(draw: st.DrawFn, document: dict[str, Any], schema: dict[str, Any]) -> bytes:
    kind = draw(st.integers(0, 29))
    if kind == 0:
        return draw(st.sampled_from(_NO_DOCUMENTS))
    if kind == 1:
        return json.dumps(draw(_JUNK)).encode()
    value = draw(_value(document["definitions"], schema, 5))
    if isinstance(value, dict) and kind > 4:
        # Mostly an image that is there: else nothing but the image would ever be looked at.
        value = {**value, **({"Image": IMAGE} if "Image" in json.dumps(schema) or "allOf" in schema else {})}
    return json.dumps(value).encode()


@st.composite
def _value(draw: st.DrawFn, definitions: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    """A value as ``schema`` wants it, with something else in its place now and then."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if depth == 0 or draw(st.integers(0, 39)) == 0:
        return draw(_JUNK)
    inner = depth - 1
    if "allOf" in schema:
        parts = [draw(_value(definitions, part, depth)) for part in schema["allOf"]]
        return {key: value for part in parts if isinstance(part, dict) for key, value in part.items()}
    type = schema.get("type", "object" if "properties" in schema else "string")
    if type == "object":
        properties = {key: one for key, one in schema.get("properties", {}).items() if key not in _UNSAID}
        names = draw(st.lists(st.sampled_from(sorted(properties)), max_size=3, unique=True)) if properties else []
        made = {name: draw(_value(definitions, properties[name], inner)) for name in names}
        if isinstance(more := schema.get("additionalProperties"), dict):
            for name in draw(st.lists(st.sampled_from(_WORDS), max_size=2)):
                made[name] = draw(_value(definitions, more, inner))
        return made
    if type == "array":
        return [draw(_value(definitions, schema.get("items", {}), inner)) for _ in range(draw(st.integers(0, 2)))]
    if type == "boolean":
        return draw(st.booleans())
    if type in ("integer", "number"):
        return draw(st.sampled_from((*(0, 1, 64, 512, 1000, 100_000, 1 << 26) * 4, *_INTEGERS)))
    return draw(st.sampled_from((*list(schema.get("enum", ())) * 20, *_WORDS)))
