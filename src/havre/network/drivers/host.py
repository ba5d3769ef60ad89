"""The driver of the network ``host``: a container shares the host's namespace, so there is nothing to make."""

from havre.network.drivers.none import NoneDriver


class HostDriver(NoneDriver):
    """See ``network.driver.Driver``. Published ports are left aside: the container binds the host's own."""

    name = "host"
