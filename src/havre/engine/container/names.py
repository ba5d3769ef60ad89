"""Host names, name servers and addresses of a create request."""

import ipaddress

from havre.errors import InvalidParameter
from havre.wire.containers import ContainerConfig, HostConfig

_LONGEST_HOSTNAME = 64


def check(config: ContainerConfig, host: HostConfig) -> None:
    """What is written into ``/etc/hosts`` and ``/etc/resolv.conf``: a word is a word there, and a line a line."""
    for word in (config.hostname, config.domainname):
        if len(word.encode()) > _LONGEST_HOSTNAME or not _is_word(word):
            raise InvalidParameter(f"invalid hostname or domain name: {word!r}")
    for entry in host.extra_hosts or ():
        word, _, address = entry.partition(":")
        if not word or ":" not in entry or not _is_word(word):
            raise InvalidParameter(f'bad format for add-host: "{entry}"')
        if address != "host-gateway" and not _is_address(address.strip("[]")):
            raise InvalidParameter(f'invalid IP address in add-host: "{address}"')
    for address in host.dns or ():
        if not _is_address(address):
            raise InvalidParameter(f"bad nameserver address: {address}")
    for word in [*(host.dns_search or ()), *(host.dns_options or ())]:
        if not _is_word(word):
            raise InvalidParameter(f"invalid DNS search domain or option: {word!r}")


def _is_word(text: str) -> bool:
    return not any(letter.isspace() or not letter.isprintable() for letter in text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
