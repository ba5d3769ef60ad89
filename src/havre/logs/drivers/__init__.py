"""The log drivers by name."""

from havre.logs import LogDriver
from havre.logs.drivers.local import LocalDriver
from havre.logs.drivers.none import NoneDriver

ALL: dict[str, LogDriver] = {driver.name: driver for driver in (LocalDriver(), NoneDriver())}
