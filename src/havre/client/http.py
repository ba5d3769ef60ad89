"""The blocking client of the Engine API: one call a request, over one kept connection. The CLI's commands come in here.

The API version is not asked for: requests name the newest one this client knows, and only a daemon too old for it
costs the extra round trip of a negotiation (``_settle``). ``DOCKER_API_VERSION`` pins the version.
"""

from __future__ import annotations

import sys

from havre import __version__
from havre.client.connection import Connection, connect
from havre.client.errors import ApiError, DaemonUnreachable, ProtocolError, TooOld
from havre.client.hijack import HijackedSocket
from havre.client.jsontext import dumps, loads
from havre.client.query import encode
from havre.client.response import Response
from havre.wire import versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from havre.client.hosts import Endpoint

    Query = Mapping[str, Any] | None
    Headers = Mapping[str, str] | None
    Stream = Iterable[bytes] | None

_ERROR_LIMIT = 1024 * 1024


class Client:
    """Talks to one daemon. Paths are without the version (``/containers/json``), their parts quoted by the caller
    (``havre.client.query.quote``); ``query`` is encoded as ``havre.client.query.encode`` says; ``body`` travels as
    JSON, ``stream`` as it is, in chunks. Answers of 400 and above raise ApiError, a daemon out of reach
    DaemonUnreachable. ``version`` is the API version in force, ``settled`` once the daemon is known to speak it.
    """

    def __init__(
        self, endpoint: Endpoint, version: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.endpoint = endpoint
        self.version = version or versions.CLIENT
        self.settled = version is not None
        self._headers = dict(headers or {})
        self._needs: Sequence[tuple[str, str]] = ()
        self._idle: Connection | None = None

    def get(self, path: str, query: Query = None, *, headers: Headers = None) -> Response:
        return self._request("GET", path, query, headers=headers)

    def head(self, path: str, query: Query = None) -> Response:
        return self._request("HEAD", path, query)

    def delete(self, path: str, query: Query = None) -> Response:
        return self._request("DELETE", path, query)

    def post(
        self, path: str, query: Query = None, body: Any = None, *, stream: Stream = None, headers: Headers = None
    ) -> Response:
        return self._request("POST", path, query, body, stream, headers)

    def put(self, path: str, query: Query = None, *, stream: Stream = None) -> Response:
        return self._request("PUT", path, query, stream=stream)

    def hijack(self, path: str, query: Query = None, body: Any = None) -> HijackedSocket:
        """POST and take the connection over. Errors before that are ApiError as for any request."""
        upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
        response = self._request("POST", path, query, body, None, upgrade)
        if response.status not in (101, 200):
            response.close()
            raise ProtocolError(f"the daemon answered {response.status} where the connection should have been upgraded")
        return HijackedSocket(response.detach(), response.headers)

    def ping(self) -> dict[str, str]:
        """The daemon's ``/_ping`` headers (lower-case): ``api-version``, ``ostype``, ``builder-version``…"""
        with self._exchange("HEAD", "/_ping", None, None, {}) as response:
            return response.headers

    def settle_version(self) -> str:
        """Agree on the API version now, at the cost of a ping if no request has done so; the version in force."""
        if not self.settled:
            self._settle(self.ping().get("api-version", ""))
        return self.version

    def require(self, needs: Sequence[tuple[str, str]]) -> None:
        """Raise TooOld, now or when the version is agreed on, unless it has what ``needs`` lists: (flag, version)."""
        self._needs = needs
        if self.settled:
            self._check_needs()

    def _check_needs(self) -> None:
        have = versions.parse(self.version)
        if lacking := [need for need in self._needs if versions.parse(need[1]) > have]:
            why = f"but the havre daemon API version is {self.version}"
            raise TooOld("\n".join(f'"--{flag}" requires API version {since}, {why}' for flag, since in lacking))

    def close(self) -> None:
        if self._idle is not None:
            self._idle.close()
            self._idle = None

    def _request(
        self,
        method: str,
        path: str,
        query: Query = None,
        body: Any = None,
        stream: Stream = None,
        headers: Headers = None,
    ) -> Response:
        if stream is not None:
            # A stream cannot be sent twice, so the version has to be right the first time.
            self.settle_version()
        target = f"{path}?{encode(query)}" if query else path
        payload = None if body is None else dumps(body).encode()
        response = self._exchange(method, f"/v{self.version}{target}", payload, stream, headers or {})
        if response.status == 400 and not self.settled:
            error = _api_error(response)
            if not self._too_new(error, response.headers):
                raise error
            response = self._exchange(method, f"/v{self.version}{target}", payload, stream, headers or {})
        if response.status >= 400:
            raise _api_error(response)
        self.settled = True
        return response

    def _too_new(self, error: ApiError, headers: Mapping[str, str]) -> bool:
        if "is too new" not in error.message:
            return False
        before = self.version
        self._settle(headers.get("api-version", "") or self.ping().get("api-version", ""))
        return self.version != before

    def _settle(self, theirs: str) -> None:
        try:
            self.version = versions.negotiate(versions.CLIENT, theirs)
        except ValueError:
            # A daemon that names no version is left to refuse what it does not know.
            pass
        self.settled = True
        self._check_needs()

    def _exchange(
        self, method: str, target: str, payload: bytes | None, stream: Stream, extra: Mapping[str, str]
    ) -> Response:
        head = self._head(method, target, payload, stream, extra)
        connection = self._kept() or Connection(connect(self.endpoint))
        try:
            try:
                connection.stream.sendall(head + (payload or b""))
                if stream is not None:
                    from havre.client.upload import send_chunked

                    send_chunked(connection, stream)
            except (BrokenPipeError, ConnectionResetError):
                # The daemon may have answered and closed before reading everything: its answer says why.
                connection.whole = False
            return Response(connection, method, self._release)
        except OSError as error:
            connection.close()
            raise DaemonUnreachable(
                f"lost the connection to the havre daemon at {self.endpoint.text}: {error}"
            ) from error
        except BaseException:
            connection.close()
            raise

    def _kept(self) -> Connection | None:
        """The kept connection, unless the daemon has closed it since (then it is readable: nothing was asked on it)."""
        connection, self._idle = self._idle, None
        if connection is None:
            return None
        from select import select

        if select([connection.stream.fileno()], [], [], 0)[0]:
            connection.close()
            return None
        return connection

    def _head(
        self,
        method: str,
        target: str,
        payload: bytes | None,
        stream: Stream,
        extra: Mapping[str, str],
    ) -> bytes:
        headers = {
            "Host": self.endpoint.authority,
            "User-Agent": f"havre/{__version__} ({sys.platform})",
            **self._headers,
        }
        if payload is not None:
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(payload))
        elif stream is not None:
            headers["Content-Type"] = "application/x-tar"
            headers["Transfer-Encoding"] = "chunked"
        elif method in ("POST", "PUT"):
            headers["Content-Length"] = "0"
        headers.update(extra)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line break in a request's head")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _release(self, connection: Connection, reusable: bool) -> None:
        if reusable and connection.whole and self._idle is None:
            self._idle = connection
        else:
            connection.close()


def _api_error(response: Response) -> ApiError:
    try:
        data = response.read(_ERROR_LIMIT)
    except ProtocolError:
        data = b""
    text = data.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            message = loads(text).get("message")
        except ValueError:
            message = None
        if isinstance(message, str) and message:
            return ApiError(response.status, message.strip())
    return ApiError(response.status, text or f"HTTP status {response.status}")
