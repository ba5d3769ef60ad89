"""Answers held against the Engine API's own definitions (OpenAPI 2, ``shared/spec/docker-api``).

The definitions are looser and stricter than what dockerd sends: Go leaves lists and maps null where the text says array
or object, and undocumented members are common. So null passes for both, and only documented members are checked.
"""

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import yaml

# Members that dockerd leaves null though the definitions give them a plain type.
_NULL_IN_DOCKERD = ("MemorySwappiness", "OomKillDisable", "ExitCode")
# Members that the oldest definitions give another type than dockerd ever sent, as those of later versions admit.
_SLIPS_OF_OLD = ("ExecIDs", "PidsLimit", "PortBindings", "RestartPolicy", "Entrypoint", "Cmd", "Ports", "Containers")
_OLD = ("1.25",)
_IGNORED = ("example", "format", "x-nullable")


class Schemas:
    """The definitions of one API version."""

    def __init__(self, document: dict[str, Any], unchecked: tuple[str, ...] = _NULL_IN_DOCKERD) -> None:
        self._document = document
        self._unchecked = unchecked
        self._definitions = {name: self._tolerant(one) for name, one in document["definitions"].items()}

    def errors(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """What is wrong with an answer of the operation; a status it does not document is wrong too."""
        responses = self._document["paths"][path][method.lower()]["responses"]
        if str(status) not in responses:
            return [f"status {status} is not documented"]
        schema = responses[str(status)].get("schema")
        return [] if schema is None else self.check(self._tolerant(schema), body)

    def operations(self, groups: Iterable[str]) -> set[tuple[str, str]]:
        """Method and path of every operation of these groups."""
        return {
            (method.upper(), path)
            for path, operations in self._document["paths"].items()
            for method, operation in operations.items()
            if set(operation["tags"]) & set(groups)
        }

    def definition_errors(self, name: str, body: Any) -> list[str]:
        """What is wrong with ``body`` as the definition ``name``."""
        return self.check({"$ref": f"#/definitions/{name}"}, body)

    def check(self, schema: dict[str, Any], body: Any) -> list[str]:
        validator = jsonschema.Draft4Validator({**schema, "definitions": self._definitions})
        return [f"{'/'.join(map(str, error.path))}: {error.message[:300]}" for error in validator.iter_errors(body)]

    def _tolerant(self, schema: Any) -> Any:
        """``schema`` as JSON schema that lets null stand for what Go leaves out."""
        if isinstance(schema, list):
            return [self._tolerant(one) for one in schema]
        if not isinstance(schema, dict):
            return schema
        changed = {key: self._tolerant(value) for key, value in schema.items() if key not in _IGNORED}
        for name in set(self._unchecked) & set(schema.get("properties", ())):
            changed["properties"][name] = {}
        nullable = schema.get("x-nullable") or schema.get("type") in ("array", "object")
        if isinstance(schema.get("type"), str) and nullable:
            changed["type"] = [schema["type"], "null"]
            if "enum" in changed:
                changed["enum"] = [*changed["enum"], None]
        if "$ref" in schema and schema.get("x-nullable"):
            return {"anyOf": [{"$ref": schema["$ref"]}, {"type": "null"}]}
        return changed


@functools.cache
def load(directory: Path, version: str = "1.51") -> Schemas:
    """The definitions of ``version`` in the directory of specification data."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (directory / "docker-api" / f"v{version}.yaml").read_text()
    # Through JSON, because YAML has dates where the examples do.
    document = json.loads(json.dumps(yaml.load(text, loader), default=str))
    return Schemas(document, (*_NULL_IN_DOCKERD, *(_SLIPS_OF_OLD if version in _OLD else ())))
