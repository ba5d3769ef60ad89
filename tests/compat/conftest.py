"""Foreign clients against a real daemon: the fixtures of the system tests serve them too."""

from tests.system.conftest import _daemon, docker, engine, havre, havred, new_havred, registry

__all__ = ["_daemon", "docker", "engine", "havre", "havred", "new_havred", "registry"]
