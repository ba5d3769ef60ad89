"""What the configuration says of containers that do not say it themselves, read into values."""

from pathlib import Path

from havre.daemon.config import Config
from havre.engine.container.limits import check_ulimit
from havre.engine.container.ocisecurity import SecurityDefaults
from havre.errors import InvalidParameter
from havre.kernel import cgroupdriver
from havre.lib.sizes import parse_bytes
from havre.runtime import seccompprofiles
from havre.wire.containers import Ulimit

_WORDS = ("", "builtin", "unconfined")


def check(config: Config) -> None:
    """``InvalidParameter`` for what cannot be read, before the daemon does anything."""
    for ulimit in ulimits(config):
        check_ulimit(ulimit)
    shm_size(config)
    cgroupdriver.choose(config.exec_opts, config.cgroup_parent)
    security(config)
    if config.default_cgroupns_mode not in ("", "host", "private"):
        raise InvalidParameter(f"default cgroup namespace mode ({config.default_cgroupns_mode}) is invalid")
    if config.default_ipc_mode not in ("", "private", "shareable"):
        raise InvalidParameter(f"IPC mode {config.default_ipc_mode!r} is not valid: use private or shareable")


def ulimits(config: Config) -> tuple[Ulimit, ...]:
    """``nofile=1024:2048``, soft before hard; one number is both."""
    found = []
    for name, text in config.default_ulimits.items():
        soft, _, hard = text.partition(":")
        try:
            found.append(Ulimit(name=name, soft=int(soft), hard=int(hard or soft)))
        except ValueError:
            raise InvalidParameter(f"invalid ulimit {name}={text}: must be name=soft or name=soft:hard") from None
    return tuple(found)


def shm_size(config: Config) -> int:
    """Bytes of ``/dev/shm``."""
    try:
        return parse_bytes(config.default_shm_size)
    except ValueError as error:
        raise InvalidParameter(f"default-shm-size: {error}") from None


def security(config: Config) -> SecurityDefaults:
    """The policy of system calls and privileges. A profile is a file's content from here on."""
    profile = config.seccomp_profile
    if profile in _WORDS:
        return SecurityDefaults(config.no_new_privileges, profile)
    try:
        text = Path(profile).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidParameter(f"opening seccomp profile ({profile}) failed: {error}") from None
    seccompprofiles.parse(text)
    return SecurityDefaults(config.no_new_privileges, text)


def cgroupns(config: Config, version: int) -> str:
    """The mode of cgroup namespaces, by the ``version`` of control groups where the configuration says nothing."""
    return config.default_cgroupns_mode or ("private" if version == 2 else "host")
