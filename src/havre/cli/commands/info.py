"""``havre info``: the daemon and its host at a glance."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.format import INSPECT_FORMAT_HELP
from havre.errors import HavreError
from havre.lib.sizes import bytes_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser
    from havre.lib.templates import Template

HELP = "Display system-wide information"
USAGE = "havre info [OPTIONS]"


def configure(parser: Parser) -> None:
    parser.flag("format", "f", "string", INSPECT_FORMAT_HELP)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.commands.version import client_version

    client: dict[str, Any] = {"Debug": ctx.debug, **client_version(ctx), "Plugins": [], "Warnings": None}
    if args.format:
        return _through(args.format, client, ctx)
    ctx.out.write("".join(f"{line}\n" for line in _client(client)) + "\nServer:\n")
    ctx.out.flush()
    info = ctx.client.get("/info").json()
    ctx.out.write("".join(f"{line}\n" for line in _server(info, ctx)) + "\n")
    ctx.out.flush()
    for warning in info.get("Warnings") or ():
        ctx.err.write(f"{warning}\n")
    return 0


def _through(source: str, client: dict[str, Any], ctx: Context) -> int:
    from havre.cli.format_typed import typed
    from havre.lib.templates import Template, TemplateError

    try:
        template = Template("{{json .}}" if source == "json" else source)
    except TemplateError as error:
        raise CommandError(f"template parsing error: {error}", 64) from error
    info: dict[str, Any] = {"ClientInfo": client}
    failure = None
    if not _about_client_only(template, info):
        try:
            info |= ctx.client.get("/info").json()
        except HavreError as error:
            failure, info["ServerErrors"] = error, [str(error)]
    try:
        ctx.out.write(f"{template.execute(typed('system.dockerInfo', info))}\n")
    except TemplateError as error:
        ctx.out.write(f"{error.output}\n")
        raise failure or CommandError(str(error)) from error
    if failure is not None:
        ctx.out.flush()
        raise failure
    return 0


def _about_client_only(template: Template, info: dict[str, Any]) -> bool:
    """Whether the daemon need not be asked: the template has fields, and the client alone has them all."""
    from havre.cli.format_typed import typed
    from havre.lib.templates import TemplateError

    try:
        template.execute(typed("system.sparseInfo", info))
    except TemplateError:
        return False
    return ".Client" in template.text


def _client(client: dict[str, Any]) -> Iterator[str]:
    yield "Client:"
    yield f" Version:    {client['Version']}"
    yield f" Context:    {client['Context']}"
    yield f" Debug Mode: {_bool(client['Debug'])}"


def _server(info: dict[str, Any], ctx: Context) -> Iterator[str]:
    yield f" Containers: {info.get('Containers', 0)}"
    yield f"  Running: {info.get('ContainersRunning', 0)}"
    yield f"  Paused: {info.get('ContainersPaused', 0)}"
    yield f"  Stopped: {info.get('ContainersStopped', 0)}"
    yield f" Images: {info.get('Images', 0)}"
    yield from _given(info, {"Server Version": "ServerVersion", "Storage Driver": "Driver"})
    yield from (f"  {name}: {value}" for name, value in info.get("DriverStatus") or ())
    yield from (f" {name}: {value}" for name, value in info.get("SystemStatus") or ())
    drivers = {"Logging Driver": "LoggingDriver", "Cgroup Driver": "CgroupDriver", "Cgroup Version": "CgroupVersion"}
    yield from _given(info, drivers)
    yield from _plugins(info)
    yield from _runtimes(info)
    if info.get("OSType") == "linux":
        yield from _linux(info)
    host = {
        "Kernel Version": "KernelVersion",
        "Operating System": "OperatingSystem",
        "OSType": "OSType",
        "Architecture": "Architecture",
    }
    yield from _given(info, host)
    yield f" CPUs: {info.get('NCPU', 0)}"
    yield f" Total Memory: {bytes_size(info.get('MemTotal', 0))}"
    yield from _given(info, {"Name": "Name", "ID": "ID"})
    yield f" Docker Root Dir: {info.get('DockerRootDir', '')}"
    yield f" Debug Mode: {_bool(info.get('Debug'))}"
    if info.get("Debug") or ctx.debug:
        yield from _debug(info)
    yield from _given(info, {"HTTP Proxy": "HttpProxy", "HTTPS Proxy": "HttpsProxy", "No Proxy": "NoProxy"})
    yield from _user(ctx)
    yield from _list(" Labels:", info.get("Labels"))
    yield f" Experimental: {_bool(info.get('ExperimentalBuild'))}"
    yield from _registries(info.get("RegistryConfig") or {})
    yield f" Live Restore Enabled: {_bool(info.get('LiveRestoreEnabled'))}"
    yield from _given(info, {"Product License": "ProductLicense"})
    pools = [f" Base: {p.get('Base', '')}, Size: {p.get('Size', 0)}" for p in info.get("DefaultAddressPools") or ()]
    yield from _list(" Default Address Pools:", pools)


def _given(info: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
    """A line for each key that says something."""
    yield from (f" {title}: {info[key]}" for title, key in names.items() if info.get(key))


def _list(title: str, values: list[str] | None) -> Iterator[str]:
    if values:
        yield title
        yield from (f"  {value}" for value in values)


def _bool(value: object) -> str:
    return "true" if value else "false"


def _plugins(info: dict[str, Any]) -> Iterator[str]:
    plugins = info.get("Plugins") or {}
    yield " Plugins:"
    yield f"  Volume: {' '.join(plugins.get('Volume') or ())}"
    yield f"  Network: {' '.join(plugins.get('Network') or ())}"
    if plugins.get("Authorization"):
        yield f"  Authorization: {' '.join(plugins['Authorization'])}"
    yield f"  Log: {' '.join(plugins.get('Log') or ())}"
    yield from _list(" CDI spec directories:", info.get("CDISpecDirs"))
    devices = [f"{one.get('Source', '')}: {one.get('ID', '')}" for one in info.get("DiscoveredDevices") or ()]
    yield from _list(" Discovered Devices:", devices)


def _runtimes(info: dict[str, Any]) -> Iterator[str]:
    swarm = info.get("Swarm") or {}
    yield f" Swarm: {swarm.get('LocalNodeState', '')}"
    if swarm.get("LocalNodeState") not in (None, "", "inactive", "locked"):
        yield f"  NodeID: {swarm.get('NodeID', '')}"
        yield f"  Is Manager: {_bool(swarm.get('ControlAvailable'))}"
        yield f"  Node Address: {swarm.get('NodeAddr', '')}"
    if info.get("Runtimes"):
        yield f" Runtimes: {' '.join(sorted(info['Runtimes']))}"
        yield f" Default Runtime: {info.get('DefaultRuntime', '')}"


def _linux(info: dict[str, Any]) -> Iterator[str]:
    yield f" Init Binary: {info.get('InitBinary', '')}"
    for title, key in (("containerd", "ContainerdCommit"), ("runc", "RuncCommit"), ("init", "InitCommit")):
        yield f" {title} version: {(info.get(key) or {}).get('ID', '')}"
    options = info.get("SecurityOptions")
    if options:
        yield " Security Options:"
    for option in options or ():
        pairs = dict(pair.partition("=")[::2] for pair in option.split(","))
        yield f"  {pairs.get('name', '')}"
        if "profile" in pairs:
            yield f"   Profile: {pairs['profile']}"


def _debug(info: dict[str, Any]) -> Iterator[str]:
    yield f"  File Descriptors: {info.get('NFd', 0)}"
    yield f"  Goroutines: {info.get('NGoroutines', 0)}"
    yield f"  System Time: {info.get('SystemTime', '')}"
    yield f"  EventsListeners: {info.get('NEventsListener', 0)}"


def _user(ctx: Context) -> Iterator[str]:
    from havre.client.auth import HUB

    entry = ctx.config.table("auths").get(HUB)
    if isinstance(entry, dict) and entry.get("username"):
        yield f" Username: {entry['username']}"


def _registries(config: dict[str, Any]) -> Iterator[str]:
    indexes = config.get("IndexConfigs") or {}
    insecure = [index.get("Name", "") for index in indexes.values() if not index.get("Secure")]
    networks = config.get("InsecureRegistryCIDRs") or []
    if networks or indexes:
        yield " Insecure Registries:"
        yield from (f"  {name}" for name in [*insecure, *networks])
    yield from _list(" Registry Mirrors:", config.get("Mirrors"))
