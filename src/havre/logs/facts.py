"""What log options say about a container: its tag, and the labels and variables that go with every message."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote_plus

from havre.errors import InvalidParameter
from havre.lib.patterns import PatternError, pattern
from havre.lib.templates import Record, Template, TemplateError
from havre.logs import Facts

ATTRIBUTES = ("labels", "labels-regex", "env", "env-regex", "tag")


def tag(facts: Facts, options: Mapping[str, str], default: str = "{{.ID}}") -> str:
    """The option ``tag``, filled in. ``InvalidParameter`` in Go's words."""
    try:
        return Template(options.get("tag") or default, name="log-tag").execute(_Info(facts))
    except TemplateError as error:
        raise InvalidParameter(str(error)) from None


def attributes(facts: Facts, options: Mapping[str, str], name: Callable[[str], str] = str) -> dict[str, str]:
    """The labels and environment variables that options choose; ``name`` makes a key of each name."""
    chosen: dict[str, str] = {}
    environment = dict(word.partition("=")[::2] for word in facts.environment)
    for source, option in ((facts.labels, "labels"), (environment, "env")):
        for key in options.get(option, "").split(","):
            if key in source:
                chosen[name(key)] = source[key]
        if chooser := options.get(f"{option}-regex"):
            try:
                chosen |= {name(key): value for key, value in source.items() if pattern(chooser).found_in(key)}
            except PatternError as error:
                raise InvalidParameter(str(error)) from None
    return chosen


def json_attributes(facts: Facts, options: Mapping[str, str]) -> str:
    """For ``json-file``: the object ``attrs``; "" for none. A tag stands in it when one is asked for."""
    chosen = attributes(facts, options)
    if options.get("tag"):
        chosen["tag"] = tag(facts, options)
    if not chosen:
        return ""
    text = json.dumps(chosen, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def details(facts: Facts, options: Mapping[str, str]) -> bytes:
    """What ``docker logs --details`` puts before each line."""
    chosen = attributes(facts, options)
    if options.get("tag"):
        chosen["tag"] = tag(facts, options)
    words = [f"{quote_plus(key)}={quote_plus(value)}" for key, value in sorted(chosen.items())]
    return f"{','.join(words)} ".encode()


class _Info(Record):
    """Docker's ``logger.Info``, as templates see it."""

    type_name = "*logger.Info"

    def __init__(self, facts: Facts) -> None:
        moment = datetime.fromtimestamp(facts.created // 1_000_000_000, UTC)
        self._fields: dict[str, object] = {
            "ID": facts.id[:12],
            "FullID": facts.id,
            "Name": facts.name,
            "ImageName": facts.image,
            "ImageID": facts.image_id[:12],
            "ImageFullID": facts.image_id,
            "Command": facts.command,
            "DaemonName": "docker",
            "ContainerID": facts.id,
            "ContainerName": f"/{facts.name}",
            "ContainerImageName": facts.image,
            "ContainerImageID": facts.image_id,
            "ContainerCreated": f"{moment:%Y-%m-%d %H:%M:%S}.{facts.created % 1_000_000_000:09d} +0000 UTC",
            "ContainerEnv": list(facts.environment),
            "ContainerLabels": dict(facts.labels),
        }

    def get(self, name: str) -> object:
        return self._fields[name]

    def items(self) -> Iterable[tuple[str, object]]:
        return self._fields.items()
