"""Kernel parameters of a container: only those that belong to a namespace of its own can be set.

The runtime refuses the others when the container is started; here they are refused before there is one, in its words.
"""

from collections.abc import Collection

from havre.errors import InvalidParameter
from havre.wire.containers import HostConfig

_IPC = frozenset(f"kernel.{name}" for name in "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced".split())
_MQUEUE = "fs.mqueue."


def check(host: HostConfig) -> None:
    """``InvalidParameter`` for a parameter that would reach beyond the container."""
    shared = {kind for kind, mode in (("ipc", host.ipc_mode), ("net", host.network_mode)) if mode == "host"}
    if host.uts_mode == "host":
        shared.add("uts")
    for name in host.sysctls or {}:
        _check(name, dotted(name), shared)


def _check(given: str, name: str, shared: Collection[str]) -> None:
    if name in _IPC or name.startswith(_MQUEUE):
        if "ipc" in shared:
            raise InvalidParameter(f'sysctl "{given}" is not allowed in the hosts ipc namespace')
    elif name.startswith("net."):
        if "net" in shared:
            raise InvalidParameter(f'sysctl "{given}" not allowed in host network namespace')
    elif name == "kernel.hostname":
        raise InvalidParameter('sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field')
    elif name != "kernel.domainname" or "uts" in shared:
        raise InvalidParameter(f'sysctl "{given}" is not in a separate kernel namespace')


def dotted(name: str) -> str:
    """``net/ipv4/conf/eth0.1/forwarding`` as ``net.ipv4.conf.eth0/1.forwarding``: sysctl(8) takes both."""
    first = next((letter for letter in name if letter in "./"), ".")
    return name if first == "." else name.translate({ord("/"): ".", ord("."): "/"})
