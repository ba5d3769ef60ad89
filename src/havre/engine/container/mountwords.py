"""The words in which clients ask for mounts, read: ``-v`` (``Binds``), ``--mount`` (``Mounts``), ``--tmpfs`` and
``--volumes-from``. Pure but for the question whether a source is there; the texts of errors are Docker's.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from havre.errors import InvalidParameter
from havre.kernel.mounts import recursive_readonly
from havre.wire.containers import BindOptions, ImageOptions, Mount, TmpfsOptions

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
# Words Docker reads in the third part of ``-v``; the labels of SELinux and the consistency of macOS mean nothing here.
_ACCESS, _LABELS, _CONSISTENCY = {"rw", "ro"}, {"z", "Z"}, {"consistent", "cached", "delegated", "default"}
_BIND_WORDS = (_ACCESS, _LABELS, _CONSISTENCY, {"nocopy"}, set(_PROPAGATIONS))
_VOLUME_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]+$")
# What a tmpfs understands. Words that would make another mount of it (bind, remount) are none of a tmpfs.
_TMPFS_FLAGS = frozenset(
    "async atime defaults dev diratime dirsync exec mand noatime nodev nodiratime noexec nomand norelatime "
    "nostrictatime nosuid private relatime ro rprivate rshared rslave runbindable rw shared slave strictatime suid "
    "sync unbindable".split()
)
# Its keys, and what the kernel takes for their values.
_TMPFS_KEYS = dict.fromkeys(("gid", "uid"), "[0-9]+") | {"mode": "[0-7]+", "mpol": ".+"}
_TMPFS_KEYS |= dict.fromkeys(("nr_blocks", "nr_inodes", "size"), "[0-9]+[kKmMgGtTpPeE%]?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One mount as asked, before volumes are made and images are found.

    ``source`` is a path, the name of a volume ("" for an anonymous one) or an image.
    """

    kind: str
    target: str
    source: str = ""
    readonly: bool = False
    mode: str = ""
    options: tuple[str, ...] = ()
    propagation: str = ""
    copy_up: bool = False
    make_source: bool = False
    driver: str = ""
    driver_options: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    subpath: str = ""
    # Docker lists a tmpfs in inspect only when it was asked for by --mount.
    hidden: bool = False


def bind_propagation(wanted: Wanted, daemon_root: Path) -> str:
    """How mounts go in and out of a bind.

    With one that shows the daemon's own mounts, those the daemon takes away must go from the container too, or they
    would stay busy as long as that runs.
    """
    if not related(wanted.source, daemon_root):
        return wanted.propagation or "rprivate"
    if wanted.propagation not in ("", "rslave", "rshared"):
        raise InvalidParameter(
            'invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within '
            f'the daemon root, daemon root: "{daemon_root}", bind mount source: "{wanted.source}", '
            f'propagation: "{wanted.propagation}"'
        )
    return wanted.propagation or "rslave"


def related(source: str, daemon_root: Path) -> bool:
    """Whether one of them is in the other."""
    return Path(source).is_relative_to(daemon_root) or daemon_root.is_relative_to(source)


def clean_target(target: str) -> str:
    """A mount target as an absolute, normal path that is not the root."""
    if not target.startswith("/"):
        raise InvalidParameter(f"invalid mount path: '{target}' mount path must be absolute")
    clean = os.path.normpath("/" + target.lstrip("/"))
    if clean == "/":
        raise InvalidParameter("invalid specification: destination can't be '/'")
    return clean


def from_bind(text: str, driver: str = "") -> Wanted:
    """One of ``Binds``; ``driver`` is that of volumes it makes."""
    parts = text.split(":")
    if len(parts) == 1 and parts[0].startswith("/"):
        return Wanted("volume", clean_target(parts[0]), mode="z", options=("rw",), copy_up=True, driver=driver)
    # A mode after a target alone, as in ``/data:ro``, is none Docker knows.
    if len(parts) not in (2, 3) or not all(parts[:2]) or (len(parts) == 2 and _is_mode(parts[1])):
        raise InvalidParameter(f"invalid volume specification: '{text}'")
    source, mode = parts[0], parts[2] if len(parts) == 3 else ""
    words = _mode_words(mode)
    kind = "bind" if source.startswith("/") else "volume"
    try:
        target = clean_target(parts[1])
    except InvalidParameter as error:
        reason = f'invalid mount config for type "{kind}": {error.message}'
        raise InvalidParameter(f"invalid volume specification: '{text}': {reason}") from None
    readonly = "ro" in words
    access = (readonly_word(),) if readonly else ("rw",)
    propagation = next((word for word in words if word in _PROPAGATIONS), "")
    if kind == "bind":
        if "nocopy" in words:
            raise InvalidParameter(
                f"invalid volume specification: '{text}': "
                'invalid mount config for type "bind": field VolumeOptions must not be specified'
            )
        source = os.path.normpath(source)
        return Wanted("bind", target, source, readonly, mode, access, propagation, make_source=True)
    if propagation:
        raise InvalidParameter(
            f"invalid volume specification: '{text}': "
            'invalid mount config for type "volume": field BindOptions must not be specified'
        )
    _check_volume_name(source)
    copy_up = "nocopy" not in words
    return Wanted("volume", target, source, readonly, mode or "z", access, copy_up=copy_up, driver=driver)


def from_mount(mount: Mount) -> Wanted:
    """One of ``Mounts``."""
    if mount.type not in _BY_TYPE:
        raise InvalidParameter(f'invalid mount config for type "{mount.type}": mount type unknown')
    if not mount.target:
        raise _invalid(mount, "field Target must not be empty")
    try:
        target = clean_target(mount.target)
    except InvalidParameter as error:
        raise _invalid(mount, error.message) from None
    return _BY_TYPE[mount.type](mount, target)


def from_tmpfs(target: str, options: str) -> Wanted:
    """One of ``Tmpfs``: comma-separated words."""
    words = tuple(word for word in options.split(",") if word)
    for word in words:
        key, is_pair, value = word.partition("=")
        if not (re.fullmatch(_TMPFS_KEYS.get(key, "(?!)"), value) if is_pair else word in _TMPFS_FLAGS):
            raise InvalidParameter(f'invalid tmpfs option "{word}"')
    return Wanted("tmpfs", clean_target(target), options=words, hidden=True)


def from_container(text: str) -> tuple[str, bool]:
    """One of ``VolumesFrom`` as the container's name and whether its volumes are read-only here."""
    if not text:
        raise InvalidParameter("volumes-from specification cannot be an empty string")
    name, _, mode = text.partition(":")
    words = _mode_words(mode)
    if "nocopy" in words or any(word in _PROPAGATIONS for word in words):
        raise InvalidParameter(f"invalid mode: {mode}")
    return name, "ro" in words


def _is_mode(text: str) -> bool:
    try:
        return bool(_mode_words(text))
    except InvalidParameter:
        return False


def _mode_words(mode: str) -> list[str]:
    words = [word for word in mode.split(",") if word]
    known = [group for word in words for group in _BIND_WORDS if word in group]
    # Of each kind there may be one word.
    if len(known) != len(words) or any(known.count(group) > 1 for group in known):
        raise InvalidParameter(f"invalid mode: {mode}")
    return words


def _bind_mount(mount: Mount, target: str) -> Wanted:
    options, source = mount.bind_options or BindOptions(), mount.source
    if not source:
        raise _invalid(mount, "field Source must not be empty")
    if not source.startswith("/"):
        raise _invalid(mount, f"invalid mount path: '{source}' mount path must be absolute")
    if mount.image_options is not None:
        raise _invalid(mount, "field ImageOptions must not be specified")
    propagation = options.propagation
    if propagation and propagation not in _PROPAGATIONS:
        raise _invalid(mount, f"invalid propagation mode: {propagation}")
    if not options.create_mountpoint and not os.path.exists(source):
        raise _invalid(mount, f"bind source path does not exist: {source}")
    words = ["bind"] if options.non_recursive else []
    words.append(_bind_access(mount.read_only, options))
    return Wanted(
        "bind",
        target,
        os.path.normpath(source),
        mount.read_only,
        options=tuple(words),
        propagation=propagation,
        make_source=options.create_mountpoint,
    )


def _bind_access(readonly: bool, options: BindOptions) -> str:
    force, shallow = options.read_only_force_recursive, options.read_only_non_recursive
    if force and shallow:
        raise InvalidParameter("mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive")
    if not readonly:
        if force or shallow:
            name = "ReadOnlyForceRecursive" if force else "ReadOnlyNonRecursive"
            raise InvalidParameter(f"mount options conflict: !ReadOnly && BindOptions.{name}")
        return "rw"
    if shallow or (options.non_recursive and not force):
        return "ro"
    word = readonly_word()
    if force and word != "rro":
        raise InvalidParameter(
            "BindOptions.ReadOnlyForceRecursive: only Linux 5.12 and later make mounts read-only recursively"
        )
    return word


def _volume_mount(mount: Mount, target: str) -> Wanted:
    options = mount.volume_options
    access = readonly_word() if mount.read_only else "rw"
    wanted = Wanted("volume", target, mount.source, mount.read_only, "z", (access,), copy_up=True)
    if mount.source:
        _check_volume_name(mount.source)
    if options is None:
        return wanted
    if options.subpath:
        if not mount.source:
            raise _invalid(mount, "must not set Subpath when using anonymous volumes")
        _check_subpath(mount, options.subpath)
    config = options.driver_config
    return Wanted(
        "volume",
        target,
        mount.source,
        mount.read_only,
        "z",
        (access,),
        copy_up=not options.no_copy,
        driver=config.name if config else "",
        driver_options=dict((config.options if config else None) or {}),
        labels=dict(options.labels or {}),
        subpath=options.subpath,
    )


def _tmpfs_mount(mount: Mount, target: str) -> Wanted:
    if mount.source:
        raise _invalid(mount, "field Source must not be specified")
    options = mount.tmpfs_options or TmpfsOptions()
    words = ["ro"] * mount.read_only
    if options.size_bytes < 0 or options.mode < 0:
        raise _invalid(mount, "size and mode must not be negative")
    if options.size_bytes:
        words.append(f"size={options.size_bytes}")
    if options.mode:
        words.append(f"mode={options.mode:o}")
    for option in options.options or ():
        if len(option) not in (1, 2):
            raise _invalid(mount, "invalid option array length")
        if option not in (["exec"], ["noexec"]):
            raise _invalid(mount, f"invalid option: {option[0]}")
        words.append(option[0])
    return Wanted("tmpfs", target, readonly=mount.read_only, options=tuple(words))


def _image_mount(mount: Mount, target: str) -> Wanted:
    if not mount.source:
        raise _invalid(mount, "field Source must not be empty")
    options = mount.image_options or ImageOptions()
    if options.subpath:
        _check_subpath(mount, options.subpath)
    return Wanted("image", target, mount.source, True, "", ("ro",), "rprivate", subpath=options.subpath)


_BY_TYPE = {"bind": _bind_mount, "volume": _volume_mount, "tmpfs": _tmpfs_mount, "image": _image_mount}


def _check_subpath(mount: Mount, subpath: str) -> None:
    parts = PurePosixPath(os.path.normpath(subpath)).parts
    if subpath.startswith("/") or parts[:1] == ("..",):
        raise _invalid(mount, "subpath must be a relative path within the volume")


def _check_volume_name(name: str) -> None:
    if len(name) == 1:
        raise InvalidParameter(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _VOLUME_NAME.match(name):
        raise InvalidParameter(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )


def readonly_word() -> str:
    """The option of a read-only mount. Where the kernel can, that is read-only for the mounts below as well."""
    return "rro" if recursive_readonly() else "ro"


def _invalid(mount: Mount, reason: str) -> InvalidParameter:
    return InvalidParameter(f'invalid mount config for type "{mount.type}": {reason}')
