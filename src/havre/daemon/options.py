"""Every option of havred, once: its flags, its key in daemon.json, its kind. The names are dockerd's."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "flag", "number", "list", "map", "object"]


@dataclass(frozen=True, slots=True)
class Option:
    """``key`` is the name in daemon.json, ``flags`` that on the command line; a list or map may be given repeatedly.

    An object stands in daemon.json only.
    """

    key: str
    flags: tuple[str, ...]
    kind: Kind
    metavar: str
    help: str

    @property
    def field(self) -> str:
        """The name in Python."""
        return self.key.replace("-", "_")


def _text(key: str, flags: str, metavar: str, help: str) -> Option:
    return Option(key, tuple(flags.split()), "text", metavar, help)


def _flag(key: str, flags: str, help: str) -> Option:
    return Option(key, tuple(flags.split()), "flag", "", help)


def _number(key: str, flags: str, help: str) -> Option:
    return Option(key, tuple(flags.split()), "number", "int", help)


def _list(key: str, flags: str, metavar: str, help: str) -> Option:
    return Option(key, tuple(flags.split()), "list", metavar, help)


def _map(key: str, flags: str, metavar: str, help: str) -> Option:
    return Option(key, tuple(flags.split()), "map", metavar, help)


OPTIONS: tuple[Option, ...] = (
    _map("runtimes", "--add-runtime", "name=path", "Register an additional OCI compatible runtime"),
    _text("bip", "--bip", "cidr", "Address and network of the bridge"),
    _text("bridge", "-b --bridge", "name", "Name of the bridge containers are attached to (default havre0)"),
    _list(
        "default-address-pools",
        "--default-address-pool",
        "base=cidr,size=bits",
        "What networks without a subnet get theirs from (default: /24s of private ranges)",
    ),
    _list(
        "default-network-opts",
        "--default-network-opt",
        "driver=key=value",
        "Option of networks of that driver that do not set it",
    ),
    _flag("debug", "-D --debug", "Log at level debug"),
    _text("data-root", "--data-root", "dir", "Directory of persistent state (default /var/lib/havre)"),
    _text("default-runtime", "--default-runtime", "name", "OCI runtime of containers that name none (default: probed)"),
    _list("cdi-spec-dirs", "--cdi-spec-dir", "dir", "Directory of CDI specifications (default /etc/cdi, /var/run/cdi)"),
    _text("cgroup-parent", "--cgroup-parent", "path", "Parent of the control groups of containers (default /havre)"),
    _number("cpu-rt-period", "--cpu-rt-period", "Micro-seconds that cpu-rt-runtime is of (default 1000000)"),
    _number("cpu-rt-runtime", "--cpu-rt-runtime", "Micro-seconds of realtime scheduling for containers (cgroup v1)"),
    _text(
        "default-cgroupns-mode",
        "--default-cgroupns-mode",
        "mode",
        "Cgroup namespace of containers that name none: host or private (default: private on cgroup v2)",
    ),
    _text("default-ipc-mode", "--default-ipc-mode", "mode", "IPC of containers that name none (default private)"),
    _text("default-shm-size", "--default-shm-size", "bytes", "Size of /dev/shm (default 64MiB)"),
    _map("default-ulimits", "--default-ulimit", "name=soft:hard", "Ulimit of containers that do not name theirs"),
    _list("dns", "--dns", "ip", "DNS server of containers that name none"),
    _list("dns-opts", "--dns-opt", "option", "DNS option of containers that name none"),
    _list("dns-search", "--dns-search", "domain", "DNS search domain of containers that name none"),
    _list("exec-opts", "--exec-opt", "option", "native.cgroupdriver=cgroupfs (default) or systemd"),
    _text("exec-root", "--exec-root", "dir", "Directory of state that ends with a reboot (default /run/havre)"),
    _text(
        "firewall",
        "--firewall",
        "kind",
        "What published ports obey: docker (default), no rules of the host for its own ports; honest, these rules",
    ),
    _text("group", "-G --group", "name", "Group of the unix socket (default havre, where there is one)"),
    _list("hosts", "-H --host", "address", "Where to listen: unix://, tcp:// or fd:// (default in the exec root)"),
    _flag("icc", "--icc", "Let containers of the default bridge talk to each other (default true)"),
    _flag("init", "--init", "Run an init in containers that do not say whether to"),
    _text("init-path", "--init-path", "path", "The init program (default: docker-init, tini or catatonit)"),
    _list("insecure-registries", "--insecure-registry", "host", "Registry that may be reached without valid TLS"),
    _text("ip", "--ip", "ip", "Host address of published ports that name none"),
    _flag("ip6tables", "--ip6tables", "Set up NAT and filtering for IPv6, where iptables does (default true)"),
    _flag("iptables", "--iptables", "Set up NAT and filtering for containers (default true)"),
    _list("labels", "--label", "key=value", "Label of the daemon, shown by info"),
    _flag("live-restore", "--live-restore", "Leave containers running when the daemon ends (default true)"),
    _text("log-driver", "--log-driver", "name", "Log driver of containers that name none (default json-file)"),
    _text("log-level", "-l --log-level", "level", "debug, info, warn, error or fatal (default info)"),
    _map("log-opts", "--log-opt", "name=value", "Option of the default log driver"),
    _number("max-concurrent-downloads", "--max-concurrent-downloads", "Layers a pull downloads at a time (default 3)"),
    _number("max-concurrent-uploads", "--max-concurrent-uploads", "Layers a push uploads at a time (default 5)"),
    _number("max-download-attempts", "--max-download-attempts", "Attempts at a download, progress apart (default 5)"),
    _text("max-partial-age", "--max-partial-age", "duration", "How long broken-off downloads are kept (default 24h)"),
    _text("max-partial-size", "--max-partial-size", "bytes", "What broken-off downloads may take (default 10g)"),
    _number("mtu", "--mtu", "MTU of the bridge"),
    _flag("no-new-privileges", "--no-new-privileges", "Give set-user-id programs in containers no effect"),
    _text("pidfile", "-p --pidfile", "path", "Where to write the process id (default havre.pid in the exec root)"),
    Option("builder", (), "object", "", "Disk budget of the build cache"),
    Option("registries", (), "object", "", "Mirrors and TLS settings by registry"),
    _list("registry-mirrors", "--registry-mirror", "url", "Mirror of docker.io, asked first"),
    _text("seccomp-profile", "--seccomp-profile", "path", "Policy of system calls: a file, builtin or unconfined"),
    _number("shutdown-timeout", "--shutdown-timeout", "Seconds containers get to end with the daemon (default 15)"),
    _text("storage-driver", "-s --storage-driver", "name", "Storage driver (overlay2)"),
    _flag("tls", "--tls", "Speak TLS on tcp://; implied by --tlsverify"),
    _text("tlscacert", "--tlscacert", "path", "Certificates clients must be signed by"),
    _text("tlscert", "--tlscert", "path", "Certificate of the daemon"),
    _text("tlskey", "--tlskey", "path", "Key of that certificate"),
    _flag("tlsverify", "--tlsverify", "Speak TLS on tcp:// and demand a certificate of clients"),
)

BY_KEY = {option.key: option for option in OPTIONS}
