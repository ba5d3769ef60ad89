"""The WWW-Authenticate header: how to get in, for Docker's clients and for browsers."""

from dataclasses import dataclass

from havre.registry.call import Call

SEARCH = "/v1/search"
_REALM = "havre-registry"
BASIC = f'Basic realm="{_REALM}", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class BearerScheme:
    """Clients get a token at ``realm`` for ``service``; ``realm`` "" is this registry's own ``/token``."""

    service: str
    realm: str = ""

    def challenge(self, base_url: str, scope: str, error: str) -> str:
        """The header's value."""
        fields = {"realm": self.realm or f"{base_url}/token", "service": self.service, "scope": scope, "error": error}
        return "Bearer " + ",".join(f'{key}="{value}"' for key, value in fields.items() if value)


def is_protocol(call: Call) -> bool:
    """Whether it is a client of the distribution protocol that asks: pages are asked for by browsers."""
    return call.request.path.startswith("/v2")


def is_client(call: Call) -> bool:
    """Whether a program asks that knows how to get a token: also ``docker search``, by the first protocol."""
    return is_protocol(call) or call.request.path == SEARCH


def scope_of(call: Call, action: str, repository: str | None) -> str:
    """The scope a token needs for ``action``."""
    if action == "catalog":
        return "registry:catalog:search" if call.request.path == SEARCH else "registry:catalog:*"
    if not repository or action not in ("pull", "push", "delete"):
        return ""
    return f"repository:{repository}:{'pull,push' if action == 'push' else action}"
