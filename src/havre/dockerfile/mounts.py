"""``RUN --mount=type=…,…``: what a mount flag says, once its variables are replaced."""

import csv

from havre.dockerfile.faults import DockerfileError, nearest
from havre.dockerfile.instructions import Mount
from havre.lib.booleans import parse_bool
from havre.lib.sizes import parse_bytes

KINDS = ("bind", "cache", "secret", "ssh", "tmpfs")
SHARINGS = ("shared", "private", "locked")
_NAMES = {
    "type": "type",
    "from": "from",
    "source": "source",
    "src": "source",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "readonly": "readonly",
    "ro": "readonly",
    "readwrite": "readwrite",
    "rw": "readwrite",
    "required": "required",
    "id": "id",
    "sharing": "sharing",
    "mode": "mode",
    "uid": "uid",
    "gid": "gid",
    "size": "size",
    "env": "env",
}
_TRUTHS = ("readonly", "readwrite", "required")
# Which fields a kind of mount has beside its type.
_FIELDS = {
    "bind": ("from", "source", "target", "readonly", "readwrite"),
    "cache": ("from", "source", "target", "readonly", "readwrite", "id", "sharing", "mode", "uid", "gid"),
    "secret": ("source", "target", "id", "required", "mode", "uid", "gid", "env"),
    "ssh": ("source", "target", "id", "required", "mode", "uid", "gid"),
    "tmpfs": ("target", "size", "readwrite"),
}


def parse_mount(text: str) -> Mount:
    """The mount that ``text`` describes. Raises ``DockerfileError`` naming the field that is wrong."""
    fields = _fields(text)
    kind = fields.pop("type", "bind").lower()
    if kind not in KINDS:
        raise DockerfileError(f'unsupported mount type "{kind}"')
    for name in fields:
        if name not in _FIELDS[kind]:
            raise DockerfileError(f"unexpected key '{name}' for mount type '{kind}'")
    mount = Mount(
        kind=kind,
        source=fields.get("source", ""),
        target=fields.get("target", ""),
        origin=fields.get("from", ""),
        readonly=_readonly(fields, default=kind == "bind"),
        identity=fields.get("id", ""),
        sharing=_sharing(fields.get("sharing", "shared")),
        required=_truth("required", fields.get("required", "false")),
        mode=_number(fields, "mode", 8),
        uid=_number(fields, "uid", 10),
        gid=_number(fields, "gid", 10),
        size=_size(fields.get("size")),
        environment=fields.get("env"),
    )
    if not mount.target and (kind in ("bind", "cache", "tmpfs")):
        raise DockerfileError(f'invalid mount: "{text}": type {kind} needs a target')
    return mount


def _fields(text: str) -> dict[str, str]:
    try:
        (row,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError):
        raise DockerfileError(f"failed to parse csv mounts: {text}") from None
    fields: dict[str, str] = {}
    for item in row:
        word, equals, value = item.partition("=")
        name = _NAMES.get(word.lower())
        if name is None:
            guess = nearest(word.lower(), tuple(_NAMES))
            raise DockerfileError(
                f"unexpected key '{word}' in '{item}'" + (f" (did you mean '{guess}'?)" if guess else "")
            )
        if not equals and name not in _TRUTHS:
            raise DockerfileError(f"invalid field '{item}' must be a key=value pair")
        fields[name] = value if equals else "true"
    return fields


def _readonly(fields: dict[str, str], default: bool) -> bool:
    if "readonly" in fields:
        return _truth("readonly", fields["readonly"])
    if "readwrite" in fields:
        return not _truth("readwrite", fields["readwrite"])
    return default


def _truth(name: str, text: str) -> bool:
    value = parse_bool(text)
    if value is None:
        raise DockerfileError(f"invalid value for {name}: {text}")
    return value


def _sharing(text: str) -> str:
    if text.lower() not in SHARINGS:
        raise DockerfileError(f"unsupported sharing value {text!r}: it is shared, private or locked")
    return text.lower()


def _number(fields: dict[str, str], name: str, base: int) -> int | None:
    text = fields.get(name)
    if text is None:
        return None
    try:
        value = int(text, base)
    except ValueError:
        raise DockerfileError(f"invalid value {text} for {name}") from None
    if value < 0 or value >= 1 << 32:
        raise DockerfileError(f"invalid value {text} for {name}")
    return value


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_bytes(text)
    except ValueError:
        raise DockerfileError(f"invalid value for size: {text}") from None
