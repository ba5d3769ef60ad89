"""HTTP by hand over a unix socket: nothing between the test and the bytes."""

import asyncio
import json as jsonlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are in lower case."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return jsonlib.loads(self.body)

    def message(self) -> str:
        """The text of an error."""
        text: str = self.json()["message"]
        return text


class Wire:
    """One connection, read and written as one likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, path: Path) -> "Wire":
        return cls(*await asyncio.open_unix_connection(str(path), limit=1 << 20))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """Write a request; a body gets its Content-Length unless the headers say otherwise."""
        lines = {"Host": "havre", **(headers or {})}
        if "Transfer-Encoding" not in lines and (body or method == "POST"):
            lines.setdefault("Content-Length", str(len(body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    async def head(self) -> tuple[int, str, dict[str, str]]:
        """The status line and headers of the next answer."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        _, status, reason = (lines[0] + " ").split(" ", 2)
        pairs = (line.split(": ", 1) for line in lines[1:] if line)
        return int(status), reason.strip(), {name.lower(): value for name, value in pairs}

    async def answer(self, method: str = "GET") -> Answer:
        """The next answer, whole."""
        status, reason, headers = await self.head()
        if method == "HEAD" or status in (204, 304):
            return Answer(status, reason, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while chunk := await self.chunk():
                parts.append(chunk)
            return Answer(status, reason, headers, b"".join(parts))
        return Answer(status, reason, headers, await self.reader.readexactly(int(headers["content-length"])))

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; b"" is the last one."""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size + 2)
        return data[:-2]

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


class Client:
    """One connection a request."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def call(
        self, method: str, path: str, json: Any = None, *, body: bytes = b"", headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:  # fmt: skip
        if json is not None:
            body, headers = jsonlib.dumps(json).encode(), {"Content-Type": "application/json", **(headers or {})}
        if query:
            path = f"{path}?{urlencode(query, doseq=True)}"
        wire = await Wire.open(self.path)
        wire.request(method, path, headers, body)
        try:
            return await wire.answer(method)
        finally:
            await wire.close()

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.call("GET", path, **query)

    async def post(self, path: str, json: Any = None, **query: Any) -> Answer:
        return await self.call("POST", path, json, **query)

    async def delete(self, path: str, **query: Any) -> Answer:
        return await self.call("DELETE", path, **query)
