"""``havre login``: prove who you are to a registry, and keep the proof."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.auth import HUB
from havre.client.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified."
USAGE = "havre login [OPTIONS] [SERVER]"

_UNENCRYPTED = """
WARNING! Your credentials are stored unencrypted in '{path}'.
Configure a credential helper to remove this warning. See
https://docs.docker.com/go/credential-store/

"""


def configure(parser: Parser) -> None:
    parser.flag("password", "p", "string", "Password or Personal Access Token (PAT)")
    parser.flag("password-stdin", "", "bool", "Take the Password or Personal Access Token (PAT) from stdin")
    parser.flag("username", "u", "string", "Username")
    parser.arity(0, 1)


def run(args: Args, ctx: Context) -> int:
    user, password = args.username, args.password
    if password and args.password_stdin:
        raise CommandError("conflicting options: cannot specify both --password and --password-stdin")
    if password:
        ctx.err.write("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")
    if args.password_stdin:
        if not user:
            raise CommandError("the --password-stdin option requires --username to be set")
        password = ctx.stdin.read().removesuffix("\n").removesuffix("\r")
    server = args.args[0] if args.args and args.args[0] != "docker.io" else HUB
    if server != HUB:
        server = server.removeprefix("http://").removeprefix("https://").split("/", 1)[0]
    status = "" if user or password else _with_stored(ctx, server)
    status = status or _with_given(ctx, server, user, password)
    ctx.out.write(f"{status}\n")
    return 0


def _with_stored(ctx: Context, server: str) -> str:
    """Try what is kept already; "" if there is nothing or the registry does not take it."""
    from havre.client.auth import credentials

    known = credentials(ctx.config, server)
    if not known.get("username") or not known.get("password"):
        return ""
    ctx.err.write(
        f"Authenticating with existing credentials... [Username: {known['username']}]\n\n"
        " Info -> To login with a different account, run 'havre logout' followed by 'havre login'\n\n\n"
    )
    try:
        return _authenticate(ctx, server, known)
    except ApiError as error:
        if error.status == 401:
            ctx.err.write("Stored credentials invalid or expired\n")
        else:
            ctx.err.write(f"Login did not succeed, error: {error}\n")
    return ""


def _with_given(ctx: Context, server: str, user: str, password: str) -> str:
    if not (user and password) and not ctx.stdin.isatty():
        raise CommandError("Error: Cannot perform an interactive login from a non TTY device")
    if not user:
        ctx.out.write("Username: ")
        ctx.out.flush()
        user = ctx.stdin.readline().strip()
        if not user:
            raise CommandError("Error: Non-null Username Required")
    if not password:
        from getpass import getpass

        password = getpass("Password: ").strip()
        if not password:
            raise CommandError("Error: Password Required")
    return _authenticate(ctx, server, {"username": user, "password": password})


def _authenticate(ctx: Context, server: str, credentials: dict[str, str]) -> str:
    """Ask the daemon to ask the registry, and keep what it took. The registry's word for it."""
    from havre.cli.credstore import store

    body = {
        "username": credentials["username"],
        "password": credentials["password"],
        "serveraddress": server,
    }
    answer = ctx.client.post("/auth", body=body).json()
    token = answer.get("IdentityToken") or ""
    kept = {"username": credentials["username"], "identitytoken": token} if token else credentials
    if store(ctx.config, server, kept):
        ctx.err.write(_UNENCRYPTED.format(path=ctx.config.path))
    return str(answer.get("Status") or "Login Succeeded")
