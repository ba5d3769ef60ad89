"""A network by what clients call it. Pure."""

from collections.abc import Mapping

from havre.errors import InvalidParameter, NotFound
from havre.lib.ids import is_id_prefix
from havre.network.model import Network


def lookup(networks: Mapping[str, Network], reference: str) -> Network:
    """The one, of ``networks`` by id, of that id, name or unambiguous beginning of an id."""
    if reference in networks:
        return networks[reference]
    for network in networks.values():
        if network.name == reference:
            return network
    found = [each for each in networks.values() if is_id_prefix(reference) and each.id.startswith(reference)]
    if len(found) > 1:
        raise InvalidParameter(f"network {reference} is ambiguous ({len(found)} matches found on ID prefix)")
    if not found:
        raise NotFound(f"network {reference} not found")
    return found[0]
