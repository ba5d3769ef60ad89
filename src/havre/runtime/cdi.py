"""The Container Device Interface: vendors describe devices in files, clients ask for ``vendor/class=name``.

A specification (https://github.com/cncf-tags/container-device-interface, versions to 1.0) is a JSON or YAML file in one
of a few directories; later directories win over earlier ones. What a device changes of a container, its *edits*, is
applied to the OCI configuration by ``cdiedits``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from havre.errors import InvalidParameter

_VERSIONS = frozenset(f"0.{minor}.0" for minor in range(1, 9)) | {"1.0.0"}
_VENDOR_OR_CLASS = re.compile(r"[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?")


class _Document(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Keys nobody knows are an error, as the specification has it."""


class DeviceNode(_Document):
    """A device file; what is not said of it is looked up at ``host_path``, else at ``path``."""

    path: str
    host_path: str = ""
    type: str = ""
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    permissions: str = ""
    uid: int | None = None
    gid: int | None = None


class Mount(_Document):
    host_path: str
    container_path: str
    options: list[str] | None = None
    type: str = ""


class Hook(_Document):
    hook_name: str
    path: str
    args: list[str] | None = None
    env: list[str] | None = None
    timeout: int | None = None


class IntelRdt(_Document):
    closID: str = ""
    l3_cache_schema: str = ""
    mem_bw_schema: str = ""
    enableCMT: bool = False
    enableMBM: bool = False


class Edits(_Document):
    """What a container gets."""

    env: list[str] | None = None
    device_nodes: list[DeviceNode] | None = None
    hooks: list[Hook] | None = None
    mounts: list[Mount] | None = None
    intel_rdt: IntelRdt | None = None
    additional_gids: list[int] | None = None


class Device(_Document):
    name: str
    annotations: dict[str, str] | None = None
    container_edits: Edits = msgspec.field(default_factory=Edits)


class Specification(_Document):
    """One file. ``container_edits`` are for every container that gets one of its devices."""

    cdi_version: str
    kind: str
    devices: list[Device] = msgspec.field(default_factory=list)
    annotations: dict[str, str] | None = None
    container_edits: Edits = msgspec.field(default_factory=Edits)


@dataclass(frozen=True, slots=True)
class Found:
    """What the directories hold now: devices by full name, and the errors of files that could not be taken."""

    devices: dict[str, tuple[Specification, Device]] = field(default_factory=dict)
    errors: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Specifications:
    """The directories of specifications, read whenever somebody asks: files come and go with drivers."""

    directories: Sequence[str]

    def find(self) -> Found:
        """Read every file."""
        found = Found()
        for directory in self.directories:
            here: dict[str, tuple[Specification, Device]] = {}
            twice: set[str] = set()
            for path in sorted(Path(directory).glob("*")):
                if path.suffix not in (".json", ".yaml") or not path.is_file():
                    continue
                try:
                    specification = read(path)
                except InvalidParameter as error:
                    found.errors[path] = f"failed to load CDI Spec {path}: {error.message}"
                    continue
                for device in specification.devices:
                    name = f"{specification.kind}={device.name}"
                    if name in here:
                        found.errors[path] = f'conflicting device "{name}"'
                        twice.add(name)
                    here[name] = (specification, device)
            found.devices.update((name, device) for name, device in here.items() if name not in twice)
            for name in twice:
                found.devices.pop(name, None)
        return found

    def resolve(self, names: Sequence[str]) -> list[Edits]:
        """The edits of the devices called ``names``, in order. ``InvalidParameter`` names those nobody describes."""
        devices = self.find().devices
        missing = [name for name in names if name not in devices]
        if missing:
            raise InvalidParameter(f"CDI device injection failed: unresolvable CDI devices {', '.join(missing)}")
        edits: list[Edits] = []
        for name in names:
            specification, device = devices[name]
            if specification.container_edits not in edits:
                edits.append(specification.container_edits)
            edits.append(device.container_edits)
        return edits


def read(path: Path) -> Specification:
    """The specification in a file; ``InvalidParameter`` says what is wrong with it."""
    try:
        text = path.read_bytes()
        document = msgspec.json.decode(text) if path.suffix == ".json" else _yaml(text)
        specification = msgspec.convert(document, Specification)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidParameter(str(error)) from None
    if specification.cdi_version not in _VERSIONS:
        raise InvalidParameter(f'unknown CDI version "{specification.cdi_version}"')
    vendor, _, kind = specification.kind.partition("/")
    if not (_VENDOR_OR_CLASS.fullmatch(vendor) and _VENDOR_OR_CLASS.fullmatch(kind)):
        raise InvalidParameter(f'invalid vendor or class in kind "{specification.kind}"')
    for device in specification.devices:
        if not _NAME.fullmatch(device.name):
            raise InvalidParameter(f'invalid device name "{device.name}"')
    return specification


def _yaml(text: bytes) -> Any:
    """YAML 1.2 as far as specifications go: a loader of 1.1 would read ``22:22`` and ``no`` as a number and false."""
    # It costs 20 ms, and most hosts have no such file.
    import yaml

    class Loader(yaml.SafeLoader):
        """Without the words of 1.1."""

    Loader.yaml_implicit_resolvers = {}
    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(first))
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
