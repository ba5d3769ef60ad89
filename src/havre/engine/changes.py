"""``--change`` of ``docker import`` and ``docker commit``: Dockerfile instructions that only set an image's
configuration, read and applied.

Pure: text in, a new configuration out. The verbs come in here. Errors are ``InvalidParameter`` in Docker's words.
"""

from collections.abc import Sequence

from havre.dockerfile import lines, settings
from havre.dockerfile.expansion import Scope, expanded
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import Cmd
from havre.dockerfile.reading import instruction
from havre.dockerfile.settings import Settings
from havre.errors import InvalidParameter

_ALLOWED = (
    *("cmd", "entrypoint", "env", "expose", "healthcheck", "label"),
    *("onbuild", "stopsignal", "user", "volume", "workdir"),
)


def apply(changes: Sequence[str], config: Settings) -> Settings:
    """``config`` with all ``changes`` made to it, in order; the one given is left alone."""
    changed = settings.copied(config)
    if not changes:
        return changed
    try:
        source = lines.read("\n".join(changes).encode("utf-8", "surrogateescape"))
        commanded = False
        for line in source.lines:
            if line.keyword not in _ALLOWED:
                raise DockerfileError(f"{line.original.split()[0]} is not a valid change command")
            read = expanded(instruction(line, source.escape), Scope(settings.variables(changed), source.escape))
            settings.apply(read, changed, commanded)
            commanded = commanded or isinstance(read, Cmd)
    except DockerfileError as error:
        # The client knows no lines here: each change was an option of its own.
        raise InvalidParameter(error.reason) from None
    return changed
