"""``DeviceRequests`` of a container: devices by name (driver ``cdi``), or so many of a kind (``--gpus``)."""

import os
import shutil
from collections.abc import Iterable
from typing import Any

from havre.errors import InvalidParameter
from havre.runtime import cdiedits
from havre.runtime.cdi import Specifications
from havre.wire.containers import DeviceRequest

_GPU = "nvidia.com/gpu"
_NVIDIA_HOOK = "nvidia-container-runtime-hook"
_DRIVER_CAPABILITIES = frozenset("compute compat32 graphics utility video display".split())
_CAPABILITIES = _DRIVER_CAPABILITIES | {"gpu", "nvidia"}


def fulfil(requests: Iterable[DeviceRequest], specifications: Specifications, config: dict[str, Any]) -> None:
    """Give the container of the OCI configuration ``config`` what it asks for, in place.

    ``InvalidParameter`` with Docker's text when there is no such device, or nobody who provides its kind.
    """
    for request in requests:
        if request.driver == "cdi":
            if request.count:
                raise InvalidParameter("unexpected count in CDI device request")
            if request.options:
                raise InvalidParameter("unexpected options in CDI device request")
            _inject(request.device_ids or [], specifications, config)
        elif (selected := _selected(request)) is not None:
            _gpus(request, selected, specifications, config)
        else:
            raise _nobody(request)


def _inject(names: list[str], specifications: Specifications, config: dict[str, Any]) -> None:
    for edits in specifications.resolve(names):
        cdiedits.apply(edits, config)


def _selected(request: DeviceRequest) -> list[str] | None:
    """The first list of capabilities that NVIDIA's devices have all of; None when there is none."""
    if request.driver not in ("", "nvidia"):
        return None
    return next((names for names in request.capabilities or () if set(names) <= _CAPABILITIES), None)


def _gpus(request: DeviceRequest, selected: list[str], specifications: Specifications, config: dict[str, Any]) -> None:
    if request.count and request.device_ids:
        raise InvalidParameter("cannot set both Count and DeviceIDs on device request")
    known = sorted(name for name in specifications.find().devices if name.startswith(f"{_GPU}="))
    hook = shutil.which(_NVIDIA_HOOK)
    if not known and hook is None:
        raise _nobody(request)
    ids = request.device_ids or [str(number) for number in range(max(request.count, 0))]
    if known:
        names = [f"{_GPU}={name}" for name in ids]
        if request.count < 0:
            names = [f"{_GPU}=all"] if f"{_GPU}=all" in known else known
        _inject(names, specifications, config)
        return
    env = config["process"]["env"]
    env.append(f"NVIDIA_VISIBLE_DEVICES={'all' if request.count < 0 else ','.join(ids) or 'void'}")
    drivers = [name for name in selected if name in _DRIVER_CAPABILITIES]
    if drivers:
        env.append(f"NVIDIA_DRIVER_CAPABILITIES={','.join(drivers)}")
    environment = [f"{name}={value}" for name, value in os.environ.items()]
    entry = {"path": hook, "args": [_NVIDIA_HOOK, "prestart"], "env": environment}
    config.setdefault("hooks", {}).setdefault("prestart", []).append(entry)


def _nobody(request: DeviceRequest) -> InvalidParameter:
    wanted = " ".join(f"[{' '.join(names)}]" for names in request.capabilities or ())
    return InvalidParameter(f'could not select device driver "{request.driver}" with capabilities: [{wanted}]')
