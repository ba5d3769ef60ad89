"""``default-network-opts``: on the command line ``bridge=com.docker.network.driver.mtu=1400``, in daemon.json an object
of such options for each driver.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from havre.errors import InvalidParameter


def texts_of(value: Any) -> Iterator[str]:
    """The object in daemon.json as the command line has it."""
    if not isinstance(value, dict) or not all(isinstance(options, dict) for options in value.values()):
        raise InvalidParameter(f"default-network-opts must be an object of objects of strings, not {value!r}")
    for driver, options in value.items():
        for key, text in options.items():
            if not isinstance(text, str):
                raise InvalidParameter(f"default-network-opts must be strings, not {text!r}")
            yield f"{driver}={key}={text}"


def parse(entries: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """The options by driver. ``InvalidParameter`` for one that is none."""
    found: dict[str, dict[str, str]] = {}
    for entry in entries:
        driver, _, option = entry.partition("=")
        key, equals, value = option.partition("=")
        if not driver or not key or not equals:
            raise InvalidParameter(f"invalid default network option {entry!r}: driver=key=value is wanted")
        found.setdefault(driver, {})[key] = value
    return found
