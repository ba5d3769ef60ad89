"""``havre version``: which client, which daemon."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.format import INSPECT_FORMAT_HELP
from havre.errors import HavreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Show the version information"
USAGE = "havre version [OPTIONS]"

_WRONG_FORMAT = 64
_ENGINE_DETAILS = ("ApiVersion", "MinAPIVersion", "GoVersion", "GitCommit", "BuildTime", "Os", "Arch", "Experimental")


def configure(parser: Parser) -> None:
    parser.flag("format", "f", "string", INSPECT_FORMAT_HELP)


def run(args: Args, ctx: Context) -> int:
    """What the client knows is printed also when the daemon cannot be asked; then the failure follows."""
    template = _template(args.format) if args.format else None
    server, failure = None, None
    try:
        server = ctx.client.get("/version").json()
    except HavreError as error:
        failure = error
    versions = {"Client": client_version(ctx), "Server": _completed(server) if server else None}
    if template is None:
        ctx.out.write(_text(versions))
    else:
        from havre.cli.format_typed import typed
        from havre.lib.templates import TemplateError

        try:
            ctx.out.write(f"{template.execute(typed('system.versionInfo', versions))}\n")
        except TemplateError as error:
            ctx.out.write(f"{error.output}\n")
            failure = failure or CommandError(str(error))
    if failure is not None:
        ctx.out.flush()
        raise failure
    return 0


def client_version(ctx: Context) -> dict[str, str]:
    """What the client says of itself; the API version is the one in use."""
    from platform import python_version

    from havre import __version__
    from havre.wire.versions import MAX

    system, architecture = platform()
    return {
        "Version": __version__,
        "ApiVersion": ctx.client.version,
        "DefaultAPIVersion": MAX,
        "GoVersion": "",
        "PythonVersion": python_version(),
        "Os": system,
        "Arch": architecture,
        "Context": ctx.options.context or ctx.environ.get("DOCKER_CONTEXT", "") or "default",
    }


def platform() -> tuple[str, str]:
    """Operating system and architecture, by Go's names."""
    import os

    host = os.uname()
    machine = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}.get(host.machine, host.machine)
    return host.sysname.lower(), machine


def _template(source: str) -> Any:
    from havre.lib.templates import Template, TemplateError
    from havre.lib.templates.functions import FUNCTIONS, Function

    try:
        text = "{{json .}}" if source == "json" else source
        return Template(text, "version", {**FUNCTIONS, "getDetailsOrder": Function(_details_order, ("any",))})
    except TemplateError as error:
        raise CommandError(f"template parsing error: {error}", _WRONG_FORMAT) from error


def _details_order(component: object) -> list[str]:
    """The keys of a component's details in the order they are shown, for templates."""
    from havre.cli.format_typed import Struct

    if not isinstance(component, Struct) or component.type_name != "types.ComponentVersion":
        raise ValueError("expected a component")
    details = component.get("Details")
    return sorted(details) if isinstance(details, dict) else []


def _completed(server: dict[str, Any]) -> dict[str, Any]:
    """The daemon's answer with an Engine among its components, and times as people read them."""
    components = server.get("Components") or []
    engine = next((component for component in components if component.get("Name") == "Engine"), None)
    if engine is None:
        details = {name: server.get(name, "") for name in _ENGINE_DETAILS}
        details["Experimental"] = "true" if server.get("Experimental") else "false"
        engine = {"Name": "Engine", "Version": server.get("Version", ""), "Details": details}
        components = [*components, engine]
    if built := engine["Details"].get("BuildTime"):
        engine["Details"]["BuildTime"] = _built(built)
    return {**server, "Components": components}


def _built(text: str) -> str:
    from havre.lib.times import ansic, parse_rfc3339

    try:
        return ansic(parse_rfc3339(text))
    except ValueError:
        return text


def _text(versions: dict[str, Any]) -> str:
    from havre.cli.table import align

    client, server = versions["Client"], versions["Server"]
    api = client["ApiVersion"]
    if api != client["DefaultAPIVersion"]:
        api += f" (downgraded from {client['DefaultAPIVersion']})"
    lines = [
        "Client:",
        f" Version:\t{client['Version']}",
        f" API version:\t{api}",
        f" Python version:\t{client['PythonVersion']}",
        f" OS/Arch:\t{client['Os']}/{client['Arch']}",
        f" Context:\t{client['Context']}",
    ]
    if server is not None:
        name = (server.get("Platform") or {}).get("Name", "")
        lines += ["", f"Server: {name}".rstrip()]
        for component in server["Components"]:
            lines += [f" {component['Name']}:", f"  Version:\t{component.get('Version', '')}", *_details(component)]
    return align("\n".join(lines) + "\n", 20, 1)


def _details(component: dict[str, Any]) -> list[str]:
    details = component.get("Details") or {}
    if component["Name"] != "Engine":
        return [f"  {name}:\t{details[name]}" for name in sorted(details)]
    known = {name: details.get(name, "") for name in _ENGINE_DETAILS}
    return [
        f"  API version:\t{known['ApiVersion']} (minimum version {known['MinAPIVersion']})",
        f"  Go version:\t{known['GoVersion']}",
        f"  Git commit:\t{known['GitCommit']}",
        f"  Built:\t{known['BuildTime']}",
        f"  OS/Arch:\t{known['Os']}/{known['Arch']}",
        f"  Experimental:\t{known['Experimental']}",
    ]
