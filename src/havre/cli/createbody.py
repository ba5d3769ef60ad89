"""From parsed ``run``/``create`` flags to the body of ``POST /containers/create``. Only what the user asked
for is sent.
"""

from __future__ import annotations

from havre.cli import envfile, limits
from havre.cli.errors import CommandError
from havre.cli.keyvalues import pairs
from havre.cli.parser import go_quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from havre.cli.parser import Args

_PROXIES = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "ftpProxy": "FTP_PROXY",
    "noProxy": "NO_PROXY",
    "allProxy": "ALL_PROXY",
}
# Flag → field, for what is sent as it is whenever it is not empty.
_PLAIN_CONFIG = {
    "hostname": "Hostname",
    "domainname": "Domainname",
    "user": "User",
    "workdir": "WorkingDir",
    "stop_signal": "StopSignal",
    "tty": "Tty",
    "interactive": "OpenStdin",
}
_PLAIN_HOST = {
    "cidfile": "ContainerIDFile",
    "oom_score_adj": "OomScoreAdj",
    "rm": "AutoRemove",
    "privileged": "Privileged",
    "link": "Links",
    "publish_all": "PublishAllPorts",
    "dns": "Dns",
    "dns_search": "DnsSearch",
    "dns_option": "DnsOptions",
    "add_host": "ExtraHosts",
    "volumes_from": "VolumesFrom",
    "ipc": "IpcMode",
    "group_add": "GroupAdd",
    "read_only": "ReadonlyRootfs",
    "volume_driver": "VolumeDriver",
    "isolation": "Isolation",
    "shm_size": "ShmSize",
    "runtime": "Runtime",
    "mount": "Mounts",
    "cgroup_parent": "CgroupParent",
    "oom_kill_disable": "OomKillDisable",
    "blkio_weight_device": "BlkioWeightDevice",
    "device_read_bps": "BlkioDeviceReadBps",
    "device_write_bps": "BlkioDeviceWriteBps",
    "device_read_iops": "BlkioDeviceReadIOps",
    "device_write_iops": "BlkioDeviceWriteIOps",
    "device_cgroup_rule": "DeviceCgroupRules",
}


_NETWORK_FLAGS = ("network", "network-alias", "link", "ip", "ip6", "mac-address", "link-local-ip")


def build(args: Args, environ: Mapping[str, str], proxies: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The whole body. ``proxies`` is config.json's table for this daemon.

    Raises ValueError with Docker's text for values that contradict each other, CommandError for files that cannot be
    read.
    """
    if not (args.memory_swappiness == -1 or 0 <= args.memory_swappiness <= 100):
        raise ValueError(f"invalid value: {args.memory_swappiness}. Valid memory swappiness range is 0-100")
    config = _config(args, environ, proxies or {})
    host = {field: getattr(args, name) for name, field in _PLAIN_HOST.items() if getattr(args, name)}
    host.update(limits.fields(args))
    host.update(_host(args))
    # The notations of networks, volumes, ports and devices are imported where the command line has some.
    _add_networks(args, config, host)
    if args.volume or args.tmpfs:
        _add_volumes(args, config, host)
    if args.publish or args.expose:
        _add_ports(args, config, host)
    if args.device or args.gpus:
        _add_devices(args, host)
    return {**config, "HostConfig": host}


def _add_networks(args: Args, config: dict[str, Any], host: dict[str, Any]) -> None:
    host["NetworkMode"] = "default"
    if not any(args.changed(flag) for flag in _NETWORK_FLAGS):
        return
    from havre.cli import networkflags

    if args.mac_address:
        networkflags.check_mac(args.mac_address)
    if endpoints := networkflags.endpoints(args):
        config["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    host["NetworkMode"] = networkflags.network_mode(args.network)


def _add_volumes(args: Args, config: dict[str, Any], host: dict[str, Any]) -> None:
    from havre.cli import mounts

    binds, anonymous = mounts.split_volumes(args.volume)
    if binds:
        host["Binds"] = binds
    if anonymous:
        config["Volumes"] = {target: {} for target in anonymous}
    if args.tmpfs:
        host["Tmpfs"] = mounts.tmpfs(args.tmpfs)


def _add_ports(args: Args, config: dict[str, Any], host: dict[str, Any]) -> None:
    from havre.cli import ports

    bindings = ports.publications(args.publish)
    if bindings:
        host["PortBindings"] = bindings
    config["ExposedPorts"] = {port: {} for port in [*bindings, *ports.exposures(args.expose)]}


def _config(args: Args, environ: Mapping[str, str], proxies: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {
        field: getattr(args, name) for name, field in _PLAIN_CONFIG.items() if getattr(args, name)
    }
    config["Image"], command = args.args[0], args.args[1:]
    if command:
        config["Cmd"] = command
    if args.changed("entrypoint"):
        # An empty entry point takes the image's away.
        config["Entrypoint"] = [args.entrypoint]
    attached = set(args.attach) or {"stdout", "stderr"}
    config["AttachStdin"] = args.interactive or "stdin" in attached
    config["AttachStdout"] = "stdout" in attached
    config["AttachStderr"] = "stderr" in attached
    if config["AttachStdin"] and args.interactive:
        config["StdinOnce"] = True
    if env := _environment(args, environ, proxies):
        config["Env"] = env
    if labels := envfile.labels(args.label_file, args.label):
        config["Labels"] = labels
    if args.changed("stop-timeout"):
        config["StopTimeout"] = args.stop_timeout
    if health := _health(args):
        config["Healthcheck"] = health
    return config


def _environment(args: Args, environ: Mapping[str, str], proxies: Mapping[str, Any]) -> list[str]:
    given = list(args.env)
    names = {text.partition("=")[0] for text in given}
    for key, name in _PROXIES.items():
        if isinstance(value := proxies.get(key), str) and value:
            given += [f"{name}={value}" for name in (name, name.lower()) if name not in names]
    return envfile.environment(args.env_file, given, environ)


def _health(args: Args) -> dict[str, Any] | None:
    numbers = {
        "Interval": args.health_interval,
        "Timeout": args.health_timeout,
        "Retries": args.health_retries,
        "StartPeriod": args.health_start_period,
        "StartInterval": args.health_start_interval,
    }
    wanted = bool(args.health_cmd) or any(numbers.values())
    if args.no_healthcheck:
        if wanted:
            raise ValueError("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    if not wanted:
        return None
    for name in ("interval", "timeout", "retries", "start-period", "start-interval"):
        if getattr(args, f"health_{name.replace('-', '_')}") < 0:
            raise ValueError(f"--health-{name} cannot be negative")
    test = {"Test": ["CMD-SHELL", args.health_cmd]} if args.health_cmd else {}
    return test | {name: value for name, value in numbers.items() if value}


def _host(args: Args) -> dict[str, Any]:
    host: dict[str, Any] = {"RestartPolicy": restart_policy(args.restart)}
    if args.rm and host["RestartPolicy"]["Name"] not in ("", "no"):
        raise ValueError("conflicting options: cannot specify both --restart and --rm")
    host.update(_namespaces(args))
    host.update(_security(args.security_opt))
    if args.memory_swappiness != -1:
        host["MemorySwappiness"] = args.memory_swappiness
    if args.changed("init"):
        host["Init"] = args.init
    if args.ulimit:
        by_name = {limit["Name"]: limit for limit in args.ulimit}
        host["Ulimits"] = [by_name[name] for name in sorted(by_name)]
    for field, given in (("CapAdd", args.cap_add), ("CapDrop", args.cap_drop)):
        if given:
            host[field] = sorted({_capability(name) for name in given})
    if args.sysctl:
        host["Sysctls"] = pairs(args.sysctl)
    if args.annotation:
        host["Annotations"] = pairs(args.annotation)
    if args.storage_opt:
        if not all("=" in option for option in args.storage_opt):
            raise ValueError("invalid storage option")
        host["StorageOpt"] = pairs(args.storage_opt)
    if args.log_driver == "none" and args.log_opt:
        raise ValueError("invalid logging opts for driver none")
    if args.log_driver or args.log_opt:
        host["LogConfig"] = {"Type": args.log_driver, "Config": pairs(args.log_opt)}
    return host


def _capability(name: str) -> str:
    name = name.upper()
    return name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}"


def restart_policy(text: str) -> dict[str, Any]:
    """``on-failure:3`` → the API's RestartPolicy. Raises ValueError with Docker's text."""
    name, colon, count = text.partition(":")
    if colon and not name:
        raise ValueError("invalid restart policy format: no policy provided before colon")
    policy: dict[str, Any] = {"Name": name, "MaximumRetryCount": 0}
    if count:
        digits = count[1:] if count[0] in "+-" else count
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError("invalid restart policy format: maximum retry count must be an integer")
        policy["MaximumRetryCount"] = int(count)
    return policy


def _namespaces(args: Args) -> dict[str, str]:
    out: dict[str, str] = {}
    for mode, field, allowed, text in (
        (args.pid, "PidMode", ("host",), "--pid: invalid PID mode"),
        (args.uts, "UTSMode", ("host",), "--uts: invalid UTS mode"),
        (args.userns, "UsernsMode", ("host",), "--userns: invalid USER mode"),
        (args.cgroupns, "CgroupnsMode", ("host", "private"), "--cgroupns: invalid CGROUP mode"),
    ):
        joins = field == "PidMode" and mode.startswith("container:") and len(mode) > len("container:")
        if mode and mode not in allowed and not joins:
            raise ValueError(text)
        if mode:
            out[field] = mode
    return out


def _add_devices(args: Args, host: dict[str, Any]) -> None:
    from havre.cli import devices

    named = [text for text in args.device if devices.is_cdi_name(text)]
    mapped = [devices.parse_device(text) for text in args.device if text not in named]
    if mapped:
        host["Devices"] = mapped
    requests = list(args.gpus)
    if named:
        requests.append({"Driver": "cdi", "DeviceIDs": named})
    if requests:
        host["DeviceRequests"] = requests


def _security(options: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    kept: list[str] = []
    for option in options:
        if option == "systempaths=unconfined":
            out["MaskedPaths"] = []
            out["ReadonlyPaths"] = []
            continue
        name, separator, value = option.partition("=")
        if not separator and name != "no-new-privileges":
            name, separator, value = option.partition(":")
        if name != "no-new-privileges" and not (separator and value):
            raise ValueError(f"Invalid --security-opt: {go_quoted(option)}")
        if name == "seccomp" and value not in ("unconfined", "builtin"):
            option = f"seccomp={_profile(value)}"
        kept.append(option)
    if kept:
        out["SecurityOpt"] = kept
    return out


def _profile(path: str) -> str:
    """A seccomp profile's text, compact: the daemon may not see the client's files."""
    import json

    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise CommandError(
            f"opening seccomp profile ({path}) failed: open {path}: {(error.strerror or '').lower()}"
        ) from error
    try:
        return json.dumps(json.loads(data), separators=(",", ":"))
    except ValueError as error:
        raise ValueError(f"compacting json for seccomp profile ({path}) failed: {error}") from None
