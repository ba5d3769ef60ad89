"""The flags that ``run`` and ``create`` share: what a container shall be. ``havre.cli.createbody`` makes the
request of them.
"""

from __future__ import annotations

from havre.cli import limits
from havre.cli.parser import MANY

# Where the notations are read; imported with the first flag that needs them.
_DEVICES = "havre.cli.devices:"
_ENVFILE = "havre.cli.envfile:"
_NETWORK = "havre.cli.networkflags:"
_MOUNTS = "havre.cli.mounts:"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.parser import Parser


def declare(parser: Parser) -> None:
    """Declare them all; options end at the image's name."""
    parser.interspersed = False
    parser.arity(1, MANY)
    _process(parser)
    _image(parser)
    _network(parser)
    _storage(parser)
    _logging_and_health(parser)
    _resources(parser)
    _devices(parser)
    _security(parser)
    _windows(parser)


def _process(parser: Parser) -> None:
    flag = parser.flag
    flag("attach", "a", "list", "Attach to STDIN, STDOUT or STDERR", convert=_check_attach)
    flag("entrypoint", "", "string", "Overwrite the default ENTRYPOINT of the image")
    flag("env", "e", "list", "Set environment variables", convert=_ENVFILE + "check_env")
    flag("env-file", "", "list", "Read in a file of environment variables")
    flag("interactive", "i", "bool", "Keep STDIN open even if not attached")
    flag("tty", "t", "bool", "Allocate a pseudo-TTY")
    flag("user", "u", "string", "Username or UID (format: <name|uid>[:<group|gid>])")
    flag("group-add", "", "list", "Add additional groups to join")
    flag("workdir", "w", "string", "Working directory inside the container")
    flag("init", "", "bool", "Run an init inside the container that forwards signals and reaps processes", since="1.25")
    flag("rm", "", "bool", "Automatically remove the container and its anonymous volumes when it exits")
    flag("restart", "", "string", "Restart policy to apply when a container exits", default="no")
    flag("stop-signal", "", "string", "Signal to stop the container")
    flag("stop-timeout", "", "int", "Timeout (in seconds) to stop a container", since="1.25")
    flag("ulimit", "", "list", "Ulimit options", word="ulimit", convert=_DEVICES + "parse_ulimit", shows="[]")


def _image(parser: Parser) -> None:
    flag = parser.flag
    flag("name", "", "string", "Assign a name to the container")
    flag("hostname", "h", "string", "Container host name")
    flag("domainname", "", "string", "Container NIS domain name")
    flag("label", "l", "list", "Set meta data on a container", convert=_ENVFILE + "check_label")
    flag("label-file", "", "list", "Read in a line delimited file of labels")
    flag(
        "annotation",
        "",
        "map",
        "Add an annotation to the container (passed through to the OCI runtime)",
        shows="map[]",
        since="1.43",
    )
    flag("cidfile", "", "string", "Write the container ID to the file")
    flag("platform", "", "string", "Set platform if server is multi-platform capable", since="1.32")
    flag("pull", "", "string", 'Pull image before running ("always", "missing", "never")', default="missing")
    flag("quiet", "q", "bool", "Suppress the pull output")
    flag("disable-content-trust", "", "bool", "Skip image verification", default=True)
    flag("runtime", "", "string", "Runtime to use for this container")
    flag("use-api-socket", "", "bool", "Bind mount Docker API socket and required auth")


def _network(parser: Parser) -> None:
    flag = parser.flag
    flag("network", "", "list", "Connect a container to a network", word="network", convert=_NETWORK + "parse_network")
    parser.alias("net", "network")
    flag("network-alias", "", "list", "Add network-scoped alias for the container")
    parser.alias("net-alias", "network-alias")
    flag("publish", "p", "list", "Publish a container's port(s) to the host")
    flag("publish-all", "P", "bool", "Publish all exposed ports to random ports")
    flag("expose", "", "list", "Expose a port or a range of ports")
    flag("add-host", "", "list", "Add a custom host-to-IP mapping (host:ip)", convert=_NETWORK + "check_extra_host")
    flag("dns", "", "list", "Set custom DNS servers", convert=_NETWORK + "check_address")
    flag("dns-option", "", "list", "Set DNS options")
    parser.alias("dns-opt", "dns-option")
    flag("dns-search", "", "list", "Set custom DNS search domains", convert=_NETWORK + "check_dns_search")
    flag("ip", "", "string", "IPv4 address (e.g., 172.30.100.104)")
    flag("ip6", "", "string", "IPv6 address (e.g., 2001:db8::33)")
    flag("link", "", "list", "Add link to another container", convert=_NETWORK + "check_link")
    flag("link-local-ip", "", "list", "Container IPv4/IPv6 link-local addresses")
    flag("mac-address", "", "string", "Container MAC address (e.g., 92:d0:c6:0a:29:33)")


def _storage(parser: Parser) -> None:
    flag = parser.flag
    flag("volume", "v", "list", "Bind mount a volume")
    flag("volume-driver", "", "string", "Optional volume driver for the container")
    flag("volumes-from", "", "list", "Mount volumes from the specified container(s)")
    flag("mount", "", "list", "Attach a filesystem mount", word="mount", convert=_MOUNTS + "parse_mount")
    flag("tmpfs", "", "list", "Mount a tmpfs directory")
    flag("read-only", "", "bool", "Mount the container's root filesystem as read only")
    flag("storage-opt", "", "list", "Storage driver options for the container")
    flag("shm-size", "", "bytes", "Size of /dev/shm")


def _logging_and_health(parser: Parser) -> None:
    flag = parser.flag
    flag("log-driver", "", "string", "Logging driver for the container")
    flag("log-opt", "", "list", "Log driver options")
    flag("health-cmd", "", "string", "Command to run to check health")
    flag("health-interval", "", "duration", "Time between running the check (ms|s|m|h)", shows="0s")
    flag("health-retries", "", "int", "Consecutive failures needed to report unhealthy")
    flag(
        "health-start-interval",
        "",
        "duration",
        "Time between checks during the start period (ms|s|m|h)",
        shows="0s",
        since="1.44",
    )
    flag(
        "health-start-period",
        "",
        "duration",
        "Time to start up before failures count (ms|s|m|h)",
        shows="0s",
        since="1.29",
    )
    flag("health-timeout", "", "duration", "Maximum time to allow one check to run (ms|s|m|h)", shows="0s")
    flag("no-healthcheck", "", "bool", "Disable any container-specified HEALTHCHECK")


def _resources(parser: Parser) -> None:
    limits.declare(parser, {"cpu-rt-period": "1.25", "cpu-rt-runtime": "1.25", "cpus": "1.25"})
    flag = parser.flag
    flag("memory-swappiness", "", "int", "Tune container memory swappiness (0 to 100)", default=-1)
    flag("kernel-memory", "", "bytes", "Kernel memory limit (deprecated, and no longer supported by the kernel)")
    flag("oom-kill-disable", "", "bool", "Disable OOM Killer")
    flag("oom-score-adj", "", "int", "Tune host's OOM preferences (-1000 to 1000)")
    flag("cgroup-parent", "", "string", "Optional parent cgroup for the container")


def _devices(parser: Parser) -> None:
    flag = parser.flag
    flag("gpus", "", "list", "GPU devices to use", word="gpu-request", convert=_DEVICES + "parse_gpus", since="1.40")
    flag("device", "", "list", "Add a host device to the container")
    flag("device-cgroup-rule", "", "list", "Add a cgroup devices rule", convert=_DEVICES + "check_cgroup_rule")
    weight, bps, iops = (_DEVICES + f"parse_{name}" for name in ("weight", "rate_bytes", "rate_operations"))
    for long, help, convert in (
        ("blkio-weight-device", "Block IO relative device weight", weight),
        ("device-read-bps", "Limit read rate (bytes per second) from a device", bps),
        ("device-read-iops", "Limit read rate (IO per second) from a device", iops),
        ("device-write-bps", "Limit write rate (bytes per second) to a device", bps),
        ("device-write-iops", "Limit write rate (IO per second) to a device", iops),
    ):
        flag(long, "", "list", help, convert=convert, shows="[]")


def _security(parser: Parser) -> None:
    flag = parser.flag
    flag("cap-add", "", "list", "Add Linux capabilities")
    flag("cap-drop", "", "list", "Drop Linux capabilities")
    flag("privileged", "", "bool", "Give extended privileges to this container")
    flag("security-opt", "", "list", "Security Options")
    flag("sysctl", "", "map", "Sysctl options", convert=_check_sysctl, shows="map[]")
    flag("ipc", "", "string", "IPC mode to use")
    flag("pid", "", "string", "PID namespace to use")
    flag("uts", "", "string", "UTS namespace to use")
    flag("userns", "", "string", "User namespace to use")
    flag(
        "cgroupns",
        "",
        "string",
        "Cgroup namespace to use (host|private), by default as the daemon is configured",
        since="1.41",
    )


def _windows(parser: Parser) -> None:
    flag = parser.flag
    flag("isolation", "", "string", "Container isolation technology")
    # What the daemon's system does not have is refused (``havre.cli.createbody``), and help does not show it.
    flag("cpu-count", "", "int", "CPU count (Windows only)", hidden=True)
    flag("cpu-percent", "", "int", "CPU percent (Windows only)", hidden=True)
    flag("io-maxbandwidth", "", "bytes", "Maximum IO bandwidth of the system drive (Windows only)", hidden=True)
    flag("io-maxiops", "", "uint", "Maximum IOps of the system drive (Windows only)", hidden=True)


def _check_attach(text: str) -> str:
    stream = text.lower()
    if stream not in ("stdin", "stdout", "stderr"):
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return stream


_SYSCTLS = frozenset(
    f"kernel.{name}" for name in ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"]
)


def _check_sysctl(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not equals or not (name in _SYSCTLS or name.startswith(("net.", "fs.mqueue."))):
        raise ValueError(f"sysctl '{text}' is not allowed")
    return text
