"""The flags of ``havre build``: those of ``docker build`` and of ``docker buildx build``."""

from __future__ import annotations

from havre.cli import limits
from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.parser import Args, Parser

_NETWORK = "havre.cli.networkflags:"
_DEVICES = "havre.cli.devices:"
_OFF = ("", "false", "0", "f", "disabled=true")


def declare(parser: Parser) -> None:
    """Declare them all, also those that are refused: nobody shall think that one of them had an effect."""
    _inputs(parser)
    _limits(parser)
    _results(parser)
    parser.arity(1)


def _inputs(parser: Parser) -> None:
    flag = parser.flag
    flag("add-host", "", "list", "Add a custom host-to-IP mapping (host:ip)", convert=_NETWORK + "check_extra_host")
    flag("allow", "", "list", 'Allow extra privileged entitlement (e.g., "network.host")')
    flag("build-arg", "", "list", "Set build-time variables")
    flag("build-context", "", "list", "Additional build contexts (e.g., name=path)")
    flag("builder", "", "string", "Override the configured builder instance")
    flag("cache-from", "", "list", "Images to consider as cache sources", word="strings")
    flag("cache-to", "", "list", 'Cache export destinations (e.g., "type=registry,ref=NAME")')
    flag("call", "", "string", 'Set method for evaluating build ("check", "outline", "targets")', default="build")
    flag("check", "", "bool", 'Shorthand for "--call=check"')
    flag("file", "f", "string", 'Name of the Dockerfile (Default is "PATH/Dockerfile")')
    flag("lock", "", "string", "Demand what this file says of base images and URLs; write it where it is not there")
    flag("no-cache", "", "bool", "Do not use cache when building the image")
    flag("no-cache-filter", "", "list", "Do not cache specified stages")
    flag("platform", "", "string", "Set platform for build")
    flag("pull", "", "bool", "Always attempt to pull a newer version of the image")
    flag("secret", "", "list", 'Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")')
    flag("ssh", "", "list", 'SSH agent socket to expose to the build (format: "default|<id>[=<socket>]")')
    flag("target", "", "string", "Set the target build stage to build.")
    flag("why", "", "bool", "Tell of each step that ran what changed since it was last cached")


def _limits(parser: Parser) -> None:
    flag = parser.flag
    flag("cgroup-parent", "", "string", "Set the parent cgroup for the RUN instructions during build")
    limits.declare(parser, {}, limits.OF_BUILDS)
    flag("isolation", "", "string", "Container isolation technology")
    flag("network", "", "string", "Set the networking mode for the RUN instructions during build", default="default")
    flag("security-opt", "", "list", "Security options", word="strings")
    flag("shm-size", "", "bytes", "Size of /dev/shm")
    flag("ulimit", "", "list", "Ulimit options", word="ulimit", convert=_DEVICES + "parse_ulimit", shows="[]")


def _results(parser: Parser) -> None:
    flag = parser.flag
    flag("annotation", "", "list", "Add annotation to the image")
    flag("attest", "", "list", "Attestation parameters (format: type=sbom,generator=image)")
    flag("compress", "", "bool", "Compress the build context using gzip")
    flag("disable-content-trust", "", "bool", "Skip image verification", default=True)
    flag("force-rm", "", "bool", "Always remove intermediate containers")
    flag("iidfile", "", "string", "Write the image ID to a file")
    flag("label", "", "list", "Set metadata for an image")
    flag("load", "", "bool", 'Shorthand for "--output=type=docker"')
    flag("metadata-file", "", "string", "Write build result metadata to a file")
    flag("output", "o", "list", 'Output destination (format: "type=local,dest=path")')
    flag(
        *("progress", "", "string", 'Set type of progress output ("auto", "plain", "tty", "quiet", "rawjson")'),
        default="auto",
    )
    flag("provenance", "", "string", 'Shorthand for "--attest=type=provenance"', bare="true")
    flag("push", "", "bool", 'Shorthand for "--output=type=registry"')
    flag("quiet", "q", "bool", "Suppress the build output and print image ID on success")
    flag("rm", "", "bool", "Remove intermediate containers after a successful build", default=True)
    flag("sbom", "", "string", 'Shorthand for "--attest=type=sbom"', bare="true")
    flag("squash", "", "bool", "Squash newly built layers into a single new layer")
    flag("tag", "t", "list", 'Name and optionally a tag (format: "name:tag")')


def check(args: Args) -> None:
    """Refuse what havre has not. Raises CommandError."""
    if args.progress not in ("auto", "plain", "tty", "quiet", "rawjson"):
        raise CommandError(f"invalid progress mode {args.progress}: it is auto, plain, tty, quiet or rawjson")
    if args.builder not in ("", "default"):
        raise CommandError(f'no builder "{args.builder}" found: havre has one, named default')
    if not args.disable_content_trust:
        raise CommandError("content trust is not supported")
    if args.squash:
        raise CommandError("squash is only supported by dockerd in experimental mode, and not by havre")
    if args.call not in ("build", "", "check", "outline", "targets"):
        raise CommandError(f"invalid call {args.call}: it is build, check, outline or targets")
    if args.isolation not in ("", "default"):
        raise CommandError(f"invalid isolation {args.isolation}: Linux has only the default one")
    if "," in args.platform:
        raise CommandError("havre does not implement builds for several platforms at once yet")
    for flag in ("allow", "annotation", "attest"):
        if getattr(args, flag.replace("-", "_")):
            raise CommandError(f"havre does not implement --{flag} of a build yet")
    for flag in ("provenance", "sbom"):
        if getattr(args, flag) not in _OFF:
            raise CommandError(f"havre does not implement --{flag} of a build yet")
