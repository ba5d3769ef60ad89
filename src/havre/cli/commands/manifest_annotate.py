"""``havre manifest annotate``: say what an image in a list is for."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Add additional information to a local image manifest"
USAGE = "havre manifest annotate [OPTIONS] MANIFEST_LIST MANIFEST"

# What docker takes: Go's ports of systems that images are made for.
_SYSTEMS = {
    "darwin": "386 amd64 arm arm64",
    "dragonfly": "amd64",
    "freebsd": "386 amd64 arm",
    "linux": "386 amd64 arm arm64 loong64 mips64 mips64le ppc64le riscv64 s390x",
    "netbsd": "386 amd64 arm",
    "openbsd": "386 amd64 arm",
    "plan9": "386 amd64",
    "solaris": "amd64",
    "windows": "386 amd64 arm64",
}


def configure(parser: Parser) -> None:
    parser.flag("arch", "", "string", "Set architecture")
    parser.flag("os", "", "string", "Set operating system")
    parser.flag("os-features", "", "list", "Set operating system feature", word="strings")
    parser.flag("os-version", "", "string", "Set operating system version")
    parser.flag("variant", "", "string", "Set architecture variant")
    parser.arity(2)


def run(args: Args, ctx: Context) -> int:
    """Change the image's platform in the list; what is not given stays."""
    from havre.cli.manifests import named
    from havre.cli.manifeststore import ManifestStore

    store = ManifestStore(ctx.config)
    listed, given = args.args
    target = named(listed, f"annotate: error parsing name for manifest list {listed}: ")
    name = named(given, f"annotate: error parsing name for manifest {given}: ")
    image = store.get(target, name)
    if image is None:
        raise CommandError(f"manifest for image {given} does not exist in {listed}")
    platform = image.platform
    for key, value in (
        ("os", args.os),
        ("architecture", args.arch),
        ("variant", args.variant),
        ("os.version", args.os_version),
    ):
        if value:
            platform[key] = value
    features = [feature for text in args.os_features for feature in text.split(",") if feature]
    if features:
        platform["os.features"] = list(dict.fromkeys([*(platform.get("os.features") or ()), *features]))
    if platform.get("architecture") not in _SYSTEMS.get(platform.get("os", ""), "").split():
        raise CommandError(f"manifest entry for image has unsupported os/arch combination: {args.os}/{args.arch}")
    store.save(target, name, image)
    return 0
