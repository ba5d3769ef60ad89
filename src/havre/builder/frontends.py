"""What a Dockerfile or its build wants of BuildKit's frontends that havre's own reading of it has not."""

from collections.abc import Mapping

from havre.errors import Unsupported

SYNTAX_ARGUMENT = "BUILDKIT_SYNTAX"
_DOCKERFILES = ("docker/dockerfile", "docker/dockerfile-upstream")
# What the frontend is told by build arguments; the value says what havre has instead.
_ABSENT = {
    "BUILDKIT_CACHE_MOUNT_NS": "",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR": "",
    "BUILDKIT_INLINE_CACHE": ": use --cache-to type=inline",
    "BUILDKIT_MULTI_PLATFORM": "",
    "BUILDKIT_SANDBOX_HOSTNAME": "",
}
_OFF = ("", "0", "false")


def check_syntax(name: str) -> None:
    """Refuse a Dockerfile whose ``# syntax=`` names a language that is not Docker's own."""
    reference = name.split()[0] if name.strip() else ""
    bare = reference.removeprefix("docker.io/").partition("@")[0].partition(":")[0]
    if reference and bare not in _DOCKERFILES:
        raise Unsupported(f"havre does not run frontends: the syntax {reference} is not docker/dockerfile")


def check_arguments(arguments: Mapping[str, str]) -> None:
    """Refuse build arguments that would have no effect."""
    check_syntax(arguments.get(SYNTAX_ARGUMENT, ""))
    for name, instead in _ABSENT.items():
        if arguments.get(name, "").lower() not in _OFF:
            raise Unsupported(f"havre does not implement the build argument {name}{instead}")
