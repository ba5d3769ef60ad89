"""The log drivers by name. Some clients read logs from no driver but Docker's default, ``json-file``."""

from havre.logs import LogDriver
from havre.logs.drivers.local import LocalDriver
from havre.logs.drivers.none import NoneDriver

ALL: dict[str, LogDriver] = {
    driver.name: driver for driver in (LocalDriver("json-file"), LocalDriver("local"), NoneDriver())
}
