"""One plugin spoken with: a POST a call, JSON both ways. Errors have Docker's words.

``SystemFault`` is the plugin's own refusal or nonsense; ``Unavailable`` means that it is not known what it has done.
"""

import asyncio
import logging
import ssl
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import (
    BaseConnector,
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    TCPConnector,
    UnixConnector,
)

from havre.errors import NotFound, SystemFault, Unavailable
from havre.volume.plugins.discovery import Address, Tls

log = logging.getLogger(__name__)

_TYPE = "application/vnd.docker.plugins.v1.2+json"
# Nobody has so many volumes that a list of them is longer.
_MOST = 8 << 20
# What of its words goes into errors.
_WORDS = 1000


class Client:
    """A plugin at an address. Each call has a connection of its own: a plugin may be started anew at any time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        url = urlsplit(address.addr)
        self._path = url.path if url.scheme == "unix" else ""
        scheme = "https" if address.tls is not None or url.scheme == "https" else "http"
        self._base = "http://plugin" if self._path else f"{scheme}://{url.netloc}"
        # As Docker calls it.
        self._shown = "http://plugin.moby.localhost" if self._path else self._base

    async def call(self, method: str, body: Any, seconds: float, connect: float = 0.0) -> dict[str, Any]:
        """What the plugin answers to ``method``. It is tried again for ``connect`` seconds while nobody listens."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + connect, 1.0
        while True:
            try:
                async with asyncio.timeout(seconds):
                    status, content = await self._post(method, body)
                break
            except TimeoutError:
                text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                raise Unavailable(f'Post "{self._shown}/{method}": {text}') from None
            except ClientConnectorError as error:
                if loop.time() + pause > end:
                    raise Unavailable(self._unreachable(method, error)) from None
                log.warning("plugin %s does not listen, trying again in %.0f s: %s", self._address.name, pause, error)
                await asyncio.sleep(pause)
                pause *= 2
            except (ClientError, OSError) as error:
                raise Unavailable(f'Post "{self._shown}/{method}": {str(error)[:_WORDS] or "EOF"}') from None
        return _answer(method, status, content)

    async def _post(self, method: str, body: Any) -> tuple[int, bytes]:
        headers = {"Accept": _TYPE, "Content-Type": _TYPE}
        limits = ClientTimeout(total=None)
        async with (
            ClientSession(connector=self._connector(), timeout=limits, auto_decompress=False) as session,
            session.post(
                f"{self._base}/{method}", data=msgspec.json.encode(body), headers=headers, allow_redirects=False
            ) as response,
        ):
            content = bytearray()
            async for piece in response.content.iter_any():
                content += piece
                if len(content) > _MOST:
                    raise SystemFault(f"{method}: plugin {self._address.name} answers without end")
            return response.status, bytes(content)

    def _connector(self) -> BaseConnector:
        if self._path:
            return UnixConnector(self._path, force_close=True)
        return TCPConnector(ssl=_context(self._address.tls) if self._address.tls else True, force_close=True)

    def _unreachable(self, method: str, error: ClientConnectorError) -> str:
        reason = (error.os_error.strerror or str(error.os_error)).lower()
        where = f"unix {self._path}" if self._path else f"tcp {urlsplit(self._base).netloc}"
        return f'Post "{self._shown}/{method}": dial {where}: connect: {reason}'


def _answer(method: str, status: int, content: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(content) if content.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    told = str(answer.get("Err") or "")[:_WORDS] if isinstance(answer, dict) else ""
    if status != 200:
        kind = NotFound if status == 404 else SystemFault
        raise kind(f"{method}: {told or content[:_WORDS].decode(errors='replace').strip()}")
    if not isinstance(answer, dict):
        raise SystemFault(f"{method}: the plugin's answer is no JSON object")
    if told:
        raise SystemFault(told)
    return answer


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if tls.insecure_skip_verify or not tls.ca_file:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SystemFault(f"the plugin's TLS files cannot be used: {error}") from None
    return context
