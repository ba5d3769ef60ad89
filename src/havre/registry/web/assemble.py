"""Gives the registry its web page and Docker's search."""

from havre.registry.access.gate import AccessGate
from havre.registry.app import Registry
from havre.registry.web.pages import Pages
from havre.registry.web.search import Search


def install(registry: Registry, gate: AccessGate) -> None:
    """Add the pages; each asks ``gate`` itself for what it shows."""
    pages, search = Pages(gate), Search(gate)
    registry.add("GET", "/", pages.repositories)
    registry.add("GET", "/ui/*", pages.below)
    registry.add("GET", "/sign-in", pages.sign_in)
    registry.add("GET", "/v1/_ping", search.ping)
    registry.add("GET", "/v1/search", search.search)
