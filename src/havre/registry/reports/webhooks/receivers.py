"""The receivers of webhooks, as the section ``webhooks`` of the configuration has them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from havre.errors import InvalidParameter
from havre.registry import sections
from havre.registry.reports.webhooks.delivery import Endpoint
from havre.registry.sections import Table


class Receiver(Table, frozen=True):
    """One of ``[[webhooks]]``: told of ``actions`` at ``url``, each time for at most ``timeout`` seconds. With a secret
    what it is told is signed.
    """

    url: str
    secret: str = ""
    secret_file: str = ""
    actions: tuple[Literal["push", "pull", "mount", "delete"], ...] = ("push", "mount", "delete")
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 10

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"the URL of a webhook begins with http:// or https://, not {self.url!r}")
        if self.secret and self.secret_file:
            raise ValueError("secret and secret-file mean the same: set one")

    def signing_secret(self) -> str:
        """The secret, "" for none. Raises ``InvalidParameter`` when its file cannot be read."""
        if not self.secret_file:
            return self.secret
        try:
            return Path(self.secret_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidParameter(f"[webhooks]: cannot read secret-file: {error}") from None


def endpoints_of(found: Mapping[str, Any]) -> Sequence[Endpoint]:
    """The receivers in the file's ``[[webhooks]]``. InvalidParameter for what makes no sense."""
    receivers = sections.read(found, "webhooks", list[Receiver]) if "webhooks" in found else []
    if len({each.url for each in receivers}) < len(receivers):
        raise InvalidParameter("[webhooks]: two have the same url")
    return [
        Endpoint(each.url, each.signing_secret(), frozenset(each.actions), each.headers, each.timeout)
        for each in receivers
    ]
