"""Images in lists: the fields of ``havre images`` and of the images in ``havre system df -v``."""

from __future__ import annotations

from havre.cli.format import Listing, ago
from havre.lib.ids import short
from havre.lib.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

NONE = "<none>"
# Go's zero time, in seconds: an image that does not say when it was made.
_NEVER = -62_135_596_800


class Row:
    """One name of one image: the API's summary, and whether long ids are cut (``trunc``)."""

    __slots__ = ("digest", "repository", "summary", "tag", "trunc")

    def __init__(
        self, summary: dict[str, Any], trunc: bool, repository: str = NONE, tag: str = NONE, digest: str = NONE
    ) -> None:
        self.summary = summary
        self.trunc = trunc
        self.repository = repository
        self.tag = tag
        self.digest = digest


def rows(summaries: Iterable[dict[str, Any]], trunc: bool, *, digests: bool, per_digest: bool) -> Iterator[Row]:
    """A row for each tag of each image.

    ``per_digest`` gives a row for each digest of a tag, ``digests`` also one for each digest that has no tag.
    """
    for summary in summaries:
        tags, hashes = names(summary)
        if not tags and not hashes:
            yield Row(summary, trunc)
        for repository, tag in tags:
            shown = hashes.get(repository) if per_digest else None
            for digest in shown or (NONE,):
                yield Row(summary, trunc, repository, tag, digest)
        tagged = {repository for repository, _ in tags}
        for repository, untagged in hashes.items():
            if repository not in tagged:
                for digest in untagged if digests else ("",):
                    yield Row(summary, trunc, repository, NONE, digest)


def names(summary: dict[str, Any]) -> tuple[list[tuple[str, str]], dict[str, list[str]]]:
    """An image's tags as (repository, tag), and its digests by repository."""
    tags = []
    for name in summary.get("RepoTags") or ():
        if name != "<none>:<none>":
            repository, _, tag = name.rpartition(":")
            tags.append((familiar(repository), tag))
    digests: dict[str, list[str]] = {}
    for name in summary.get("RepoDigests") or ():
        if name != "<none>@<none>":
            repository, _, digest = name.partition("@")
            digests.setdefault(familiar(repository), []).append(digest)
    return sorted(tags, key=lambda pair: pair[0]), digests


def familiar(repository: str) -> str:
    """The short form of a repository's name: ``docker.io/library/busybox`` is ``busybox``."""
    return repository.removeprefix("docker.io/").removeprefix("library/")


def _created_since(row: Row) -> str:
    created = row.summary.get("Created", 0)
    return "" if created == _NEVER else ago(created)


def _created_at(row: Row) -> str:
    from havre.lib.times import SECOND, go_string

    return go_string(row.summary.get("Created", 0) * SECOND)


def _known(size: int, text: str) -> str:
    return "N/A" if size == -1 else text


def _unique(row: Row) -> str:
    size, shared = row.summary.get("Size", 0), row.summary.get("SharedSize", 0)
    return "N/A" if -1 in (size, shared) else human_size(size - shared)


FIELDS: dict[str, tuple[str, Any]] = {
    "ID": ("IMAGE ID", lambda row: short(row.summary.get("Id", "")) if row.trunc else row.summary.get("Id", "")),
    "Repository": ("REPOSITORY", lambda row: row.repository),
    "Tag": ("TAG", lambda row: row.tag),
    "Digest": ("DIGEST", lambda row: row.digest),
    "CreatedSince": ("CREATED", _created_since),
    "CreatedAt": ("CREATED AT", _created_at),
    "Size": ("SIZE", lambda row: human_size(row.summary.get("Size", 0), 3)),
    "Containers": ("CONTAINERS", lambda row: _known(containers := row.summary.get("Containers", 0), str(containers))),
    "VirtualSize": ("SIZE", lambda row: human_size(row.summary.get("Size", 0))),
    "SharedSize": ("SHARED SIZE", lambda row: _known(size := row.summary.get("SharedSize", 0), human_size(size))),
    "UniqueSize": ("UNIQUE SIZE", _unique),
}
_CREATED = ("CREATED", lambda row: _created_since(row) or "N/A")
COLUMNS = ("Repository", "Tag", "ID", _CREATED, "Size")
COLUMNS_WITH_DIGEST = ("Repository", "Tag", "Digest", "ID", _CREATED, "Size")


def listing(columns: Iterable[Any] = COLUMNS) -> Listing:
    """The list of images with these columns in its table."""
    return Listing("*formatter.imageContext", FIELDS, columns)


def raw(*, digests: bool) -> str:
    """The template of ``--format raw``."""
    digest = "digest: {{.Digest}}\n" if digests else ""
    return (
        f"repository: {{{{ .Repository }}}}\ntag: {{{{.Tag}}}}\n{digest}image_id: {{{{.ID}}}}\n"
        "created_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"
    )
