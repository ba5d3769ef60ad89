"""What a client says of a build, in the Dockerfile frontend's options, as the solver's request. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from havre.builder.frontends import check_arguments
from havre.errors import InvalidParameter, Unsupported
from havre.image.manifest import Platform, parse_platform
from havre.wire.containers import HostConfig, Ulimit

_KNOWN = frozenset(
    (
        *("filename", "target", "no-cache", "platform", "image-resolve-mode", "add-hosts", "force-network-mode"),
        *("shm-size", "ulimit", "cgroup-parent", "context", "contextsubdir", "contextkey", "dockerfilekey"),
        # What a client says beside: its command line, what it knows, and the caches that its solve names as well.
        *("cmdline", "source", "frontend.caps", "cache-imports", "cache-from", "requestid"),
    )
)
# What tells where things came from, and changes nothing in what is built.
_REMARKS = ("vcs:", "local-sessionid:", "input-metadata:", "localdir:")
_FALSE = ("", "0", "false")


@dataclass(frozen=True, slots=True)
class Options:
    """The options read. ``context`` "" is the client's directory; ``contexts`` are the named ones, as given."""

    filename: str = "Dockerfile"
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    pull: bool = False
    ignore_cache: bool = False
    ignore_cache_of: frozenset[str] = frozenset()
    host: HostConfig = field(default_factory=HostConfig)
    epoch: int | None = None
    context: str = ""
    directory: str = ""
    context_key: str = "context"
    dockerfile_key: str = ""


def options(given: Mapping[str, str]) -> Options:
    """Read them. Raises ``InvalidParameter``; ``Unsupported`` for what havre does not know."""
    _check(given)
    arguments = _below(given, "build-arg:")
    check_arguments(arguments)
    return Options(
        filename=given.get("filename") or "Dockerfile",
        target=given.get("target", ""),
        arguments=arguments,
        labels=_below(given, "label:"),
        contexts={name.partition("::")[0]: value for name, value in _below(given, "context:").items()},
        platform=_platform(given.get("platform", "")),
        pull=given.get("image-resolve-mode") == "pull",
        ignore_cache=given.get("no-cache") == "",
        ignore_cache_of=frozenset(name.lower() for name in given.get("no-cache", "").split(",") if name),
        host=_host(given),
        epoch=_epoch(arguments.get("SOURCE_DATE_EPOCH", "")),
        context=given.get("context", ""),
        directory=given.get("contextsubdir", ""),
        context_key=given.get("contextkey") or "context",
        dockerfile_key=given.get("dockerfilekey", ""),
    )


def _check(given: Mapping[str, str]) -> None:
    for name, value in given.items():
        if name in _KNOWN or name.startswith(("build-arg:", "label:", "context:", *_REMARKS)):
            continue
        if (name.startswith("attest:") and _disabled(value)) or (name == "multi-platform" and value in _FALSE):
            continue
        raise Unsupported(f"havre does not implement the build option {name}")


def _disabled(value: str) -> bool:
    return "disabled=true" in value.split(",")


def _below(given: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}


def _platform(text: str) -> Platform | None:
    if "," in text:
        raise Unsupported("havre does not implement builds for several platforms at once")
    return parse_platform(text) if text else None


def _host(given: Mapping[str, str]) -> HostConfig:
    """Limits and names of the commands."""
    mode = given.get("force-network-mode", "")
    if mode not in ("", "default", "sandbox", "host", "none"):
        raise InvalidParameter(f"invalid network mode {mode!r}")
    return HostConfig(
        cgroup_parent=given.get("cgroup-parent", ""),
        shm_size=_number(given, "shm-size"),
        network_mode=mode if mode in ("host", "none") else "",
        extra_hosts=[one.replace("=", ":", 1) for one in given.get("add-hosts", "").split(",") if one] or None,
        ulimits=[_ulimit(one) for one in given.get("ulimit", "").split(",") if one] or None,
    )


def _number(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, "")
    if text and not text.isdecimal():
        raise InvalidParameter(f"invalid {name}: {text}")
    return int(text or 0)


def _ulimit(text: str) -> Ulimit:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        return Ulimit(name=name, soft=int(soft), hard=int(hard or soft))
    except ValueError:
        raise InvalidParameter(f"invalid ulimit: {text}") from None


def _epoch(text: str) -> int | None:
    """SOURCE_DATE_EPOCH, in nanoseconds."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 10:
        raise InvalidParameter(f"invalid SOURCE_DATE_EPOCH: {text}")
    return int(text) * 1_000_000_000
