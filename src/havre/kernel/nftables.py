"""nftables through libnftables (Debian's ``libnftables1``), without starting ``nft``. The network room comes in.

Commands are nft's own language, as in nft(8); what stands in one call is one transaction: all of it, or nothing.
A call for one set element takes about 60 µs, where an ``nft`` process takes 16 ms.
"""

import ctypes
import json
import socket
import threading
from dataclasses import dataclass
from typing import Any

from havre.errors import Unavailable
from havre.kernel.netlink import attributes, messages

_LIBRARY = "libnftables.so.1"
_OUTPUT_JSON = 1 << 4
_NETLINK_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES = 270, 1, 7
_DELETED_TABLE, _TABLE_NAME = 0xA02, 1
# New and deleted tables, chains, rules, sets and their elements: all name their table by the same attribute.
_CHANGES = frozenset(0xA00 + number for number in (0, 2, 3, 5, 6, 8, 9, 11, 12, 14))
_GENERIC_SIZE = 4


class NftError(OSError):
    """The kernel or the library refused a transaction; the text is nft's own."""


class Nftables:
    """One libnftables context, of the network namespace of the calling thread. Blocking; any thread may call."""

    def __init__(self) -> None:
        try:
            self._lib = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise Unavailable(
                f"{_LIBRARY} cannot be loaded ({error}): install Debian's libnftables1, or start with --iptables=false"
            ) from error
        self._lock = threading.Lock()
        self._declare()
        self._context = self._lib.nft_ctx_new(0)
        self._lib.nft_ctx_buffer_output(self._context)
        self._lib.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> None:
        """Do ``commands`` in one transaction. Raises ``NftError``; then nothing was changed."""
        with self._lock:
            self._run(commands, 0)

    def close(self) -> None:
        """Give the context up; nobody may use it any more."""
        with self._lock:
            self._lib.nft_ctx_free(self._context)

    def table(self, family: str, name: str) -> list[dict[str, Any]] | None:
        """The table's objects as ``nft -j list table`` gives them (without its metainfo), or None if there is none."""
        with self._lock:
            try:
                text = self._run(f"list table {family} {name}\n", _OUTPUT_JSON)
            except NftError as error:
                if "No such file or directory" in str(error):
                    return None
                raise
        return [entry for entry in json.loads(text)["nftables"] if "metainfo" not in entry]

    def tables(self) -> list[tuple[str, str]]:
        """Family and name of every table that has a chain."""
        # By their chains: for a list of tables nftables 1.0 fetches the whole rule set once for each of them.
        return list(dict.fromkeys((chain["family"], chain["table"]) for chain in self._chains()))

    def dropping_chains(self, hook: str) -> list[tuple[str, str, str]]:
        """Family, table and name of every chain at ``hook`` that drops what none of its rules decides."""
        return [
            (chain["family"], chain["table"], chain["name"])
            for chain in self._chains()
            if chain.get("hook") == hook and chain.get("policy") == "drop" and chain["family"] in ("ip", "ip6", "inet")
        ]

    def _chains(self) -> list[dict[str, Any]]:
        with self._lock:
            text = self._run("list chains\n", _OUTPUT_JSON)
        return [entry["chain"] for entry in json.loads(text)["nftables"] if "chain" in entry]

    def _run(self, commands: str, flags: int) -> str:
        self._lib.nft_ctx_output_set_flags(self._context, flags)
        failed = self._lib.nft_run_cmd_from_buffer(self._context, commands.encode())
        # Both buffers must be read after every run: that empties them.
        output = self._lib.nft_ctx_get_output_buffer(self._context) or b""
        errors = self._lib.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise NftError(errors.decode(errors="replace").strip() or "libnftables failed without a message")
        return bytes(output).decode()

    def _declare(self) -> None:
        lib = self._lib
        lib.nft_ctx_new.argtypes = [ctypes.c_uint32]
        lib.nft_ctx_new.restype = ctypes.c_void_p
        lib.nft_ctx_free.argtypes = [ctypes.c_void_p]
        lib.nft_ctx_free.restype = None
        lib.nft_ctx_buffer_output.argtypes = [ctypes.c_void_p]
        lib.nft_ctx_buffer_error.argtypes = [ctypes.c_void_p]
        lib.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        lib.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            function = getattr(lib, name)
            function.argtypes = [ctypes.c_void_p]
            function.restype = ctypes.c_char_p


@dataclass(frozen=True, slots=True)
class RuleNews:
    """The names of tables that were deleted and that were changed in any way; ``lost``: there was more, unknown."""

    deleted: set[str]
    changed: set[str]
    lost: bool


class RuleEvents:
    """What happens to the tables of this network namespace; for ``add_reader`` of an event loop."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def news(self) -> RuleNews:
        """What happened since the last call."""
        deleted: set[str] = set()
        changed: set[str] = set()
        lost = False
        while True:
            try:
                data = self._socket.recv(1 << 17)
            except BlockingIOError:
                return RuleNews(deleted, changed, lost)
            except OSError:  # ENOBUFS: the kernel had more to say than fits
                lost = True
                continue
            for kind, _, payload in messages(data):
                if kind in _CHANGES:
                    name = attributes(payload[_GENERIC_SIZE:])[_TABLE_NAME].rstrip(b"\0").decode()
                    changed.add(name)
                    if kind == _DELETED_TABLE:
                        deleted.add(name)
