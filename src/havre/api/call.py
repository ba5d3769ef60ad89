"""One request, as a handler sees it: which engine, which API version, the names in the path, the query, the body."""

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeVar

from aiohttp.web_request import BaseRequest

from havre.api import decode
from havre.api.errors import BodyTooLarge
from havre.errors import InvalidParameter
from havre.wire import filters
from havre.wire.filters import Filters

if TYPE_CHECKING:
    from havre.builder.doors import Builds
    from havre.engine import Engine

T = TypeVar("T")

# Far above any body a client sends on purpose; images and archives are streams and have no such limit.
MAX_JSON = 16 * 1024 * 1024
_FALSE = ("", "0", "no", "false", "none")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_UNIX_TIME = re.compile(r"(-?[0-9]{1,11})(?:\.([0-9]{1,9}))?")


class Call:
    """What came in. Reading never changes it, but for the body, which can be read once."""

    __slots__ = ("builds", "engine", "names", "request", "version")

    def __init__(
        self,
        request: BaseRequest,
        engine: "Engine",
        builds: "Builds",
        version: tuple[int, ...],
        names: dict[str, str],
    ) -> None:
        self.request = request
        self.engine = engine
        self.builds = builds
        self.version = version
        self.names = names

    def before(self, major: int, minor: int) -> bool:
        """Whether the client speaks an API older than this one."""
        return self.version < (major, minor)

    def name(self) -> str:
        """The object the path names."""
        return self.names["name"]

    def text(self, key: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.request.query.get(key, default)

    def texts(self, key: str) -> list[str]:
        """All values of a query parameter."""
        return self.request.query.getall(key, [])

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean of the query as Docker reads it: all is true but nothing, 0, no, false and none."""
        value = self.request.query.get(key)
        return default if value is None else value.strip().lower() not in _FALSE

    def integer(self, key: str) -> int | None:
        """A whole number of the query; None when it is missing or empty."""
        value = self.text(key)
        if not value:
            return None
        if not _INTEGER.fullmatch(value):
            raise InvalidParameter(f'invalid value for {key}: strconv.Atoi: parsing "{value}": invalid syntax')
        return int(value)

    def size(self) -> tuple[int, int]:
        """A terminal's rows and columns, ``h`` and ``w``; both must be there."""
        return self._side("h", "height"), self._side("w", "width")

    def moment(self, key: str) -> int | None:
        """A time of the query (seconds since 1970 with up to nine decimals) in nanoseconds; 0 and nothing mean none."""
        value = self.text(key)
        if value in ("", "0"):
            return None
        match = _UNIX_TIME.fullmatch(value)
        if match is None:
            raise InvalidParameter(f'invalid value for "{key}": value must be a unix timestamp in seconds: "{value}"')
        return int(match[1]) * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))

    def filters(self) -> Filters:
        """The ``filters`` of the query."""
        return filters.parse(self.text("filters"))

    def is_upgrade(self) -> bool:
        """Whether the client asks to leave HTTP on this connection."""
        return "Upgrade" in self.request.headers

    async def document(self) -> object | None:
        """The JSON body; None when there is none. ``InvalidParameter`` for another Content-Type or no JSON."""
        data = await self.read_json()
        document: object = decode.parse(data) if data else None
        return document

    async def read_json(self) -> bytes:
        """The body, which has to be declared as JSON if there is one; at most 16 MiB."""
        if not self.request.body_exists:
            return b""
        self._check_content_type()
        parts = bytearray()
        async for chunk in self.request.content.iter_any():
            parts += chunk
            if len(parts) > MAX_JSON:
                raise BodyTooLarge(f"request body is larger than {MAX_JSON} bytes")
        return bytes(parts)

    async def body(self, type: type[T]) -> T:
        """The JSON body as a struct, all defaults when there is none."""
        document = await self.document()
        return type() if document is None else decode.fit(document, type)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as a stream, read from the socket only as fast as it is taken."""
        async for chunk in self.request.content.iter_any():
            yield chunk

    def _side(self, key: str, name: str) -> int:
        value = self.text(key)
        if not (value.isascii() and value.isdigit()):
            raise InvalidParameter(f'invalid resize {name} "{value}": invalid syntax')
        if int(value[:10]) > 0xFFFF_FFFF or len(value) > 10:
            raise InvalidParameter(f'invalid resize {name} "{value}": value out of range')
        return int(value)

    def _check_content_type(self) -> None:
        given = self.request.headers.get("Content-Type", "")
        if not given:
            raise InvalidParameter("malformed Content-Type header (): mime: no media type")
        if given.partition(";")[0].strip().lower() != "application/json":
            raise InvalidParameter(f"unsupported Content-Type header ({given}): must be 'application/json'")
