"""Builds: ``POST /build``, the classic builder's endpoint."""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

from aiohttp.web_response import StreamResponse

from havre.api import decode, respond
from havre.api.call import Call
from havre.builder.classic import Options
from havre.builder.upkeep import Limits
from havre.errors import InvalidParameter, Unsupported
from havre.image.manifest import parse_platform
from havre.image.remote.auth import Auth
from havre.lib import references
from havre.lib.references import Reference
from havre.wire.containers import HostConfig, Ulimit

_HUBS = ("docker.io", "index.docker.io", "https://index.docker.io/v1/")


async def build(call: Call) -> StreamResponse:
    """An archive as the body, Docker's messages as the answer."""
    if call.text("outputs") not in ("", "[]", "null"):
        raise Unsupported("havre does not implement the option outputs of POST /build")
    if call.text("version") not in ("", "1"):
        raise Unsupported("havre does not implement BuildKit builds of POST /build (version=2)")
    if (isolation := call.text("isolation")) not in ("", "default"):
        raise InvalidParameter(f"unsupported isolation: {isolation}")
    if call.flag("squash"):
        raise InvalidParameter("squash is only supported with experimental mode")
    options = Options(
        remote=call.text("remote"),
        identity=call.text("buildid"),
        dockerfile=call.text("dockerfile") or "Dockerfile",
        names=[_name(text) for text in call.texts("t") if text],
        quiet=call.flag("q"),
        no_cache=call.flag("nocache"),
        pull=call.flag("pull"),
        arguments=_map(call, "buildargs"),
        labels=_map(call, "labels"),
        target=call.text("target"),
        platform=parse_platform(text) if (text := call.text("platform")) else None,
        host=_host(call),
        auth=credentials(call),
        why=call.flag("why"),
        call=call.text("call"),
        lock=call.text("lock"),
        cache_from=_texts(call, "cachefrom"),
        cache_to=_texts(call, "cacheto"),
    )
    return await respond.messages(call, call.builds.classic.build(call.chunks(), options))


async def cancel(call: Call) -> StreamResponse:
    """Break a build off, by the id that its client gave it (``buildid``)."""
    if not (identity := call.text("id")):
        raise InvalidParameter("build ID not provided")
    call.builds.classic.cancel(identity)
    return respond.empty(200)


async def prune(call: Call) -> StreamResponse:
    """Remove what builds keep. Since API 1.48 ``keep-storage`` is called ``reserved-space``."""
    limits = Limits(
        call.integer("reserved-space") or call.integer("keep-storage") or 0,
        call.integer("max-used-space") or 0,
        call.integer("min-free-space") or 0,
    )
    return respond.json(await call.builds.upkeep.prune(call.flag("all"), call.filters(), limits))


def _name(text: str) -> Reference:
    try:
        name = references.parse(text)
    except ValueError as error:
        raise InvalidParameter(f"invalid reference format: {error}") from None
    if name.digest is not None:
        raise InvalidParameter("build tag cannot contain a digest")
    return name


def _host(call: Call) -> HostConfig:
    """Limits and names of the commands."""
    return HostConfig(
        memory=call.integer("memory") or 0,
        memory_swap=call.integer("memswap") or 0,
        cpu_shares=call.integer("cpushares") or 0,
        cpu_period=call.integer("cpuperiod") or 0,
        cpu_quota=call.integer("cpuquota") or 0,
        cpuset_cpus=call.text("cpusetcpus"),
        cpuset_mems=call.text("cpusetmems"),
        cgroup_parent=call.text("cgroupparent"),
        shm_size=call.integer("shmsize") or 0,
        network_mode=call.text("networkmode"),
        extra_hosts=_hosts(call.texts("extrahosts")),
        ulimits=[decode.fit(one, Ulimit) for one in _list(call, "ulimits")] or None,
        security_opt=_texts(call, "securityopt") or None,
    )


def _hosts(texts: list[str]) -> list[str] | None:
    # One a value; in a JSON list, or with commas between, as other clients send them.
    found: list[str] = []
    for text in texts:
        found += map(str, _parsed(text, "extrahosts", list)) if text.startswith("[") else text.split(",")
    return [one for one in found if one] or None


def _map(call: Call, name: str) -> dict[str, str]:
    """Texts by name; those that are null are left out."""
    text = call.text(name)
    found: dict[str, Any] = _parsed(text, name, dict) if text and text != "null" else {}
    given = {key: value for key, value in found.items() if value is not None}
    _check_texts(name, given.values())
    return given


def _texts(call: Call, name: str) -> list[str]:
    found = _list(call, name)
    _check_texts(name, found)
    return found


def _check_texts(name: str, found: Iterable[Any]) -> None:
    for one in found:
        if not isinstance(one, str):
            raise InvalidParameter(f"error reading {name}: {json.dumps(one)[:80]} is no string")


def _list(call: Call, name: str) -> list[Any]:
    text = call.text(name)
    found: list[Any] = _parsed(text, name, list) if text and text != "null" else []
    return found


def _parsed(text: str, name: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidParameter(f"error reading {name}: {error}") from None
    except RecursionError:
        raise InvalidParameter(f"error reading {name}: exceeded max depth") from None
    if not isinstance(value, kind):
        raise InvalidParameter(f"error reading {name}: {text[:80]}")
    return value


def credentials(call: Call) -> Any:
    """Who the client is at which registry: ``X-Registry-Config``, JSON of hosts and credentials in base64."""
    header = call.request.headers.get("X-Registry-Config", "")
    try:
        given = json.loads(base64.urlsafe_b64decode(header + "==")) if header else {}
    except (binascii.Error, ValueError):
        given = {}
    known = given if isinstance(given, dict) else {}

    def of(host: str) -> Auth | None:
        for name in _HUBS if host == "docker.io" else (host, f"https://{host}", f"http://{host}"):
            one = known.get(name)
            if isinstance(one, dict):
                return Auth(
                    str(one.get("username") or ""),
                    str(one.get("password") or ""),
                    str(one.get("identitytoken") or ""),
                    str(one.get("registrytoken") or ""),
                )
        return None

    return of
