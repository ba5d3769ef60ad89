"""A hijacked connection joined to the local terminal or pipes: ``run``, ``attach``, ``start -a`` and ``exec`` come in
here.

Input goes on in a thread of its own: a container that writes a lot before it reads must not be able to stop us from
reading, nor the other way round.
"""

from __future__ import annotations

import os
import threading

from havre.cli import detachkeys
from havre.cli.errors import CommandError
from havre.cli.terminal import RawTerminal, descriptor_of
from havre.wire.stdcopy import STDERR, SYSTEMERR, Demuxer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.client.hijack import HijackedSocket

_READ = 262144


class Detached(Exception):
    """The detach keys were typed: the container goes on without us."""


class Attachment:
    """One joined connection. ``join`` returns when the container's output has ended.

    ``tty`` says that the stream is the container's terminal: one raw stream, local terminal in raw mode, detach keys
    watched. ``stdin``, ``output``: which directions are wanted; ``keys``: the detach keys' text, "" for the default.
    """

    def __init__(
        self, ctx: Context, socket: HijackedSocket, *, tty: bool, stdin: bool, output: bool, keys: str = ""
    ) -> None:
        self._socket = socket
        self._tty = tty
        self._input = descriptor_of(ctx.stdin) if stdin else -1
        self._output = output
        self._local = Output(ctx, not tty if socket.multiplexed is None else socket.multiplexed)
        self._terminal = RawTerminal(self._input if tty else -1)
        self._watch = detachkeys.Watch(_keys(ctx, keys)) if tty and self._input >= 0 else None
        self._detached = False
        self._input_done = threading.Event()

    def join(self) -> None:
        """Pass bytes both ways until the output ends, or, where none is wanted, the input.

        Raises Detached, and OSError where a local end fails (BrokenPipeError: nobody reads our output any more).
        """
        with self._terminal:
            if self._input >= 0:
                threading.Thread(target=self._send_input, name="stdin", daemon=True).start()
            else:
                self._socket.close_write()
                self._input_done.set()
            if self._output:
                self._receive()
            else:
                self._input_done.wait()
        if self._detached:
            raise Detached

    def _receive(self) -> None:
        while True:
            try:
                data = self._socket.recv(_READ)
            except ConnectionResetError:
                data = b""
            if not data or self._detached:
                return
            self._local.feed(data)

    def _send_input(self) -> None:
        try:
            while data := os.read(self._input, 65536):
                if self._watch is not None:
                    data, self._detached = self._watch.feed(data)
                    if self._detached:
                        break
                if data:
                    self._socket.sendall(data)
            if self._watch is not None and not self._detached and (held := self._watch.held()):
                self._socket.sendall(held)
        except OSError:
            # A lost connection shows at the reading side, which says what there is to say; a lost terminal ends the
            # input.
            pass
        self._terminal.restore()
        if self._detached:
            self._socket.abort()
        else:
            self._socket.close_write()
        self._input_done.set()


class Output:
    """The container's output on our stdout and stderr. ``multiplexed``: what is fed comes in frames, else all
    is stdout.
    """

    def __init__(self, ctx: Context, multiplexed: bool) -> None:
        self._demuxer = Demuxer() if multiplexed else None
        self._out = _Sink(ctx.out)
        self._err = _Sink(ctx.err)

    def feed(self, data: bytes) -> None:
        """Write what has come. Raises CommandError for a failure the daemon reports in the stream, and for a
        broken one.
        """
        if self._demuxer is None:
            self._out.write(data)
            return
        try:
            pieces = self._demuxer.feed(data)
        except ValueError as error:
            raise CommandError(str(error)) from error
        for stream, piece in _joined(pieces):
            if stream == SYSTEMERR:
                raise CommandError(f"error from daemon in stream: {piece.decode('utf-8', 'replace')}")
            (self._err if stream == STDERR else self._out).write(piece)


def _keys(ctx: Context, given: str) -> bytes:
    text = given or ctx.config.text("detachKeys")
    if text:
        try:
            return detachkeys.parse(text)
        except ValueError as error:
            ctx.err.write(f"invalid detach escape keys, using default: {error}\n")
    return detachkeys.parse(detachkeys.DEFAULT)


def _joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Neighbouring pieces of one stream as one, to be written at once."""
    if len(pieces) < 2:
        return pieces
    out: list[tuple[int, list[bytes]]] = []
    for stream, piece in pieces:
        if out and out[-1][0] == stream:
            out[-1][1].append(piece)
        else:
            out.append((stream, [piece]))
    return [(stream, b"".join(parts)) for stream, parts in out]


class _Sink:
    """Where output goes: straight to the descriptor, or to the stream's buffer where there is none."""

    def __init__(self, stream: object) -> None:
        self._stream = stream
        self._descriptor = descriptor_of(stream)
        stream.flush()  # type: ignore[attr-defined]

    def write(self, data: bytes) -> None:
        if self._descriptor < 0:
            self._stream.buffer.write(data)  # type: ignore[attr-defined]
            self._stream.flush()  # type: ignore[attr-defined]
            return
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                # Somebody who shares the terminal has made it non-blocking; wait for room as if it were not.
                from select import select

                select([], [self._descriptor], [])
