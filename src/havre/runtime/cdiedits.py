"""What devices described by the Container Device Interface change of a container's OCI configuration."""

import os
import stat
from pathlib import Path
from typing import Any

from havre.errors import InvalidParameter, Unsupported
from havre.runtime.cdi import DeviceNode, Edits, Hook, Mount

_HOOKS = frozenset(("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"))
_KINDS = {stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}
_RESCTRL = Path("/sys/fs/resctrl/schemata")

Json = dict[str, Any]


def apply(edits: Edits, config: Json) -> None:
    """Change ``config`` in place. ``InvalidParameter`` when a device is not there or an edit is malformed."""
    process = config["process"]
    _environment(edits.env or [], process)
    for node in edits.device_nodes or ():
        _device(node, config)
    if edits.mounts:
        _mounts(edits.mounts, config)
    for hook in edits.hooks or ():
        _hook(hook, config)
    groups = process["user"]["additionalGids"]
    groups += [gid for gid in edits.additional_gids or () if gid and gid not in groups]
    if edits.intel_rdt is not None:
        if not _RESCTRL.exists():
            raise Unsupported("CDI device injection failed: intelRdt needs /sys/fs/resctrl, which this host has not")
        names = {"closID": "closID", "l3_cache_schema": "l3CacheSchema", "mem_bw_schema": "memBwSchema"}
        names |= {"enableCMT": "enableCMT", "enableMBM": "enableMBM"}
        given = {key: getattr(edits.intel_rdt, name) for name, key in names.items()}
        config["linux"]["intelRdt"] = {key: value for key, value in given.items() if value}


def _failed(reason: str) -> InvalidParameter:
    return InvalidParameter(f"CDI device injection failed: failed to inject devices: {reason}")


def _environment(env: list[str], process: Json) -> None:
    for entry in env:
        if entry.find("=") <= 0:
            raise _failed(f'invalid container edits: invalid environment variable "{entry}"')
    names = {entry.partition("=")[0] for entry in env}
    process["env"] = [entry for entry in process["env"] if entry.partition("=")[0] not in names] + env


def _device(node: DeviceNode, config: Json) -> None:
    if node.permissions not in ("", "none") and set(node.permissions) - set("rwm"):
        raise _failed(f'device "{node.path}": invalid permissions "{node.permissions}"')
    kind, major, minor = node.type, node.major, node.minor
    if kind not in ("", "b", "c", "u", "p") or major < 0 or minor < 0:
        raise _failed(f'device "{node.path}": invalid type "{kind}" or device number {major}:{minor}')
    mode = node.file_mode
    if not kind or (not major and kind != "p"):
        source = node.host_path or node.path
        try:
            info = os.stat(source)
        except OSError as error:
            raise _failed(f'failed to stat CDI host device "{source}": {error.strerror}') from None
        found = _KINDS.get(stat.S_IFMT(info.st_mode), "")
        if not found or (kind and kind.replace("u", "c") != found):
            raise _failed(f'CDI device ("{node.path}", "{source}"), host type mismatch ({kind}, {found})')
        kind = kind or found
        if found != "p":
            major, minor = os.major(info.st_rdev), os.minor(info.st_rdev)
        mode = stat.S_IMODE(info.st_mode) if mode is None else mode
    user, devices = config["process"]["user"], config["linux"]["devices"]
    entry: Json = {"path": node.path, "type": kind, "major": major, "minor": minor}
    optional = {"fileMode": mode, "uid": node.uid, "gid": node.gid}
    if node.uid is None and user["uid"]:
        optional["uid"] = user["uid"]
    if node.gid is None and user["gid"]:
        optional["gid"] = user["gid"]
    entry |= {key: value for key, value in optional.items() if value is not None}
    config["linux"]["devices"] = [device for device in devices if device["path"] != node.path] + [entry]
    if kind in ("b", "c") and node.permissions != "none":
        rule = {"allow": True, "type": kind, "major": major, "minor": minor, "access": node.permissions or "rwm"}
        config["linux"]["resources"]["devices"].append(rule)


def _mounts(mounts: list[Mount], config: Json) -> None:
    replaced = {mount.container_path for mount in mounts}
    kept = [mount for mount in config["mounts"] if mount["destination"] not in replaced]
    for mount in mounts:
        if not mount.host_path or not mount.container_path:
            raise _failed("invalid mount, empty host or container path")
        entry = {"destination": mount.container_path, "source": mount.host_path, "options": mount.options or []}
        # A runtime binds what says so; a mount without a type is one, whatever its options forget.
        if not mount.type and not {"bind", "rbind"} & set(entry["options"]):
            entry["options"] = ["rbind", *entry["options"]]
        kept.append({**entry, "type": mount.type or "bind"})
    # Parents before children; whatever is at the same depth keeps its order.
    config["mounts"] = sorted(kept, key=lambda mount: os.path.normpath(mount["destination"]).rstrip("/").count("/"))


def _hook(hook: Hook, config: Json) -> None:
    if hook.hook_name not in _HOOKS:
        raise _failed(f'invalid hook name "{hook.hook_name}"')
    if not hook.path:
        raise _failed(f'invalid hook "{hook.hook_name}" with empty path')
    optional = {"args": hook.args, "env": hook.env, "timeout": hook.timeout}
    entry = {"path": hook.path, **{key: value for key, value in optional.items() if value}}
    config.setdefault("hooks", {}).setdefault(hook.hook_name, []).append(entry)
