"""The client's configuration, shared with docker: ``config.json`` in ``--config``, ``$DOCKER_CONFIG`` or
``~/.docker``.
"""

from __future__ import annotations

import os

from havre.client.jsontext import loads
from havre.errors import InvalidParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


class ConfigFile:
    """``config.json``, read at the first question. ``directory`` is its folder, ``path`` the file (it may not
    exist). ``warn`` is told what the user should know.
    """

    def __init__(
        self,
        directory: str = "",
        environ: Mapping[str, str] = os.environ,
        warn: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.directory = directory or environ.get("DOCKER_CONFIG", "") or os.path.expanduser("~/.docker")
        self.path = os.path.join(self.directory, "config.json")
        self.warn = warn
        self._values: dict[str, Any] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The whole file; {} where there is none. A file that cannot be used is {} too, and ``warn`` is told
        why, once.
        """
        if self._values is None:
            try:
                self._values = self._load()
            except InvalidParameter as error:
                self._values = {}
                self.warn(error.message)
        return self._values

    def reread(self) -> dict[str, Any]:
        """The whole file as it is now. Raises InvalidParameter when it cannot be used."""
        self._values = self._load()
        return self._values

    def text(self, key: str) -> str:
        """A string setting (``psFormat``, ``detachKeys``…); "" where it is not set."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def table(self, key: str) -> dict[str, Any]:
        """An object setting (``auths``, ``credHelpers``, ``HttpHeaders``, ``proxies``); {} where it is not set."""
        value = self.values.get(key)
        return value if isinstance(value, dict) else {}

    def _load(self) -> dict[str, Any]:
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise InvalidParameter(f"loading config file: {self.path}: {error.strerror}") from error
        if not data.strip():
            return {}
        try:
            values = loads(data)
        except ValueError as error:
            raise InvalidParameter(f"parsing config file ({self.path}): {error}") from error
        if not isinstance(values, dict):
            raise InvalidParameter(f"parsing config file ({self.path}): not a JSON object")
        return values
