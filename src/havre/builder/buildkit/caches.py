"""A client's ``--cache-from`` and ``--cache-to``, with its credentials."""

from havre.builder.buildkit.builds import Build
from havre.builder.buildkit.messages.control import CacheEntry
from havre.builder.buildkit.session import Session
from havre.builder.transfer import Carrier, Transfer, parse
from havre.image.remote.auth import Auth


async def transfer(build: Build, session: Session, carrier: Carrier) -> Transfer | None:
    """The caches of a build; None for none. Raises ``InvalidParameter``, ``Unsupported``."""
    if build.cache is None:
        return None
    sources = [_text(entry, True) for entry in build.cache.imports]
    targets = [_text(entry, False) for entry in build.cache.exports]
    known: dict[str, Auth | None] = {}
    for text in (*sources, *targets):
        reference = parse(text).reference
        if reference is not None and reference.domain not in known:
            known[reference.domain] = await session.credentials(reference.domain)
    return carrier.transfer(sources, targets, known.get, lambda warning: build.status.note("build cache", warning))


def _text(entry: CacheEntry, source: bool) -> str:
    """The entry in the words of the flags."""
    attributes = {name: value for name, value in entry.attributes.items() if value}
    if source and entry.type == "registry" and set(attributes) == {"ref"}:
        return attributes["ref"]
    return ",".join([f"type={entry.type}", *(f"{name}={value}" for name, value in attributes.items())])
