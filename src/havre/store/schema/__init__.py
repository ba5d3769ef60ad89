"""The tables of each room, as numbered migrations; ``ALL`` joins them in the order they are applied."""

from havre.store.schema import build, containers, events, images, networks, volumes

ALL = {
    "build": build.MIGRATIONS,
    "containers": containers.MIGRATIONS,
    "events": events.MIGRATIONS,
    "images": images.MIGRATIONS,
    "networks": networks.MIGRATIONS,
    "volumes": volumes.MIGRATIONS,
}
