"""The log drivers by name. Some clients read logs from no driver but ``json-file``, Docker's default: docs/compat.md."""

from havre.logs import LogDriver
from havre.logs.drivers.local import LocalDriver
from havre.logs.drivers.none import NoneDriver

ALL: dict[str, LogDriver] = {driver.name: driver for driver in (LocalDriver("json-file"), LocalDriver("local"), NoneDriver())}
