"""Answers and headers that several handlers share."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from aiohttp.web_response import Response

from havre.registry.call import Call
from havre.registry.errors import PaginationInvalid

_NUMBER = re.compile(r"[0-9]{1,18}")


def json(document: Any, headers: Mapping[str, str] | None = None, content_type: str = "application/json") -> Response:
    """``document`` as JSON."""
    return Response(body=msgspec.json.encode(document), content_type=content_type, headers=headers)


def blob_path(repository: str, digest: str) -> str:
    """Where a blob can be had."""
    return f"/v2/{repository}/blobs/{digest}"


def page_size(call: Call, most: int) -> int:
    """How many results the client asks for in ``n``; never more than ``most``."""
    text = call.query("n")
    if text is None:
        return most
    if _NUMBER.fullmatch(text) is None:
        raise PaginationInvalid("invalid number of results requested", detail={"n": text[:64]})
    return min(int(text), most)


def next_page(call: Call, last: str, **more: str) -> dict[str, str]:
    """The header that leads to the page behind ``last``."""
    query = urlencode({"last": last, **more})
    return {"Link": f'<{quote(call.request.rel_url.path)}?{query}>; rel="next"'}


def not_modified(call: Call, etag: str, headers: Mapping[str, str]) -> Response | None:
    """304 when the client says that it has what ``etag`` names, else None."""
    condition = call.headers.get("If-None-Match")
    if condition is None:
        return None
    for candidate in condition.split(","):
        if candidate.strip().removeprefix("W/") in (etag, etag.strip('"'), "*"):
            return Response(status=304, headers=headers)
    return None
