"""The log drivers by name. Some clients read logs from no driver but Docker's default, ``json-file``, and journald."""

from havre.errors import InvalidParameter, Unsupported
from havre.logs import LogDriver
from havre.logs.drivers.journald import JournaldDriver
from havre.logs.drivers.jsonfile import JsonFileDriver
from havre.logs.drivers.local import LocalDriver
from havre.logs.drivers.none import NoneDriver
from havre.logs.drivers.syslog import SyslogDriver

_DRIVERS: tuple[LogDriver, ...] = (JsonFileDriver(), LocalDriver(), JournaldDriver(), SyslogDriver(), NoneDriver())
ALL: dict[str, LogDriver] = {driver.name: driver for driver in _DRIVERS}

# Drivers of dockerd that send to services of others, or belong to Windows.
_FOREIGN = ("awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "splunk")


def find(name: str) -> LogDriver:
    """The driver of that name; ``InvalidParameter`` or ``Unsupported`` when there is none."""
    driver = ALL.get(name)
    if driver is not None:
        return driver
    if name in _FOREIGN:
        raise Unsupported(f"havre does not implement the log driver '{name}': use one of {', '.join(sorted(ALL))}")
    raise InvalidParameter(f'error looking up logging plugin {name}: plugin "{name}" not found')
