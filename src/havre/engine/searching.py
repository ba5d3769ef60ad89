"""``docker search``: which of the repositories that a registry finds are wanted."""

from typing import Any

from havre.errors import InvalidParameter
from havre.image.remote import search
from havre.image.remote.auth import Auth
from havre.image.remote.failures import RemoteFailure, failed
from havre.image.remote.search import Search
from havre.wire.filters import Filters

Json = dict[str, Any]

_FILTERS = ("is-automated", "is-official", "stars")
_DEFAULT, _MOST = 25, 100


class Searching:
    """``GET /images/search``."""

    def __init__(self, registries: Search) -> None:
        self._registries = registries

    async def search(self, term: str, limit: int, filters: Filters, auth: Auth | None) -> list[Json]:
        """The repositories found for ``term`` (``words``, ``registry/words``); ``limit`` 0 means the usual 25."""
        filters.validate(_FILTERS)
        automated, official = filters.flag("is-automated"), filters.flag("is-official")
        stars = max((_number(text) for text in filters.values_of("stars")), default=0)
        if automated:
            # Docker Hub builds no images of itself any more: nothing is.
            return []
        if term.startswith(("http://", "https://")):
            raise InvalidParameter(f"invalid repository name: repository name ({term}) should not have a scheme")
        if limit < 0 or limit > _MOST:
            raise InvalidParameter(f"limit {limit} is outside the range of [1, {_MOST}]")
        domain, words = search.split(term)
        try:
            found = await self._registries.find(domain, words, limit or _DEFAULT, auth)
        except RemoteFailure as failure:
            raise failed(failure) from None
        return [
            {
                "star_count": one.star_count,
                "is_official": one.is_official,
                "name": one.name,
                "is_automated": False,
                "description": one.description or "",
            }
            for one in found
            if ("is-official" not in filters or one.is_official == official) and one.star_count >= stars
        ]


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidParameter(f"invalid filter 'stars=[{text}]'") from None
