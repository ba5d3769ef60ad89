"""What is asked of a Dockerfile beside building it (``--call``): the answers, in the form of BuildKit's frontend."""

from collections.abc import Sequence
from typing import Any

from havre.builder.build import Checked
from havre.dockerfile.lint import Finding
from havre.dockerfile.outline import Outline, Target, Wish
from havre.errors import InvalidParameter

CALLS = ("check", "outline", "targets")


def answer(checked: Checked, call: str, file: str, source: bytes) -> dict[str, Any]:
    """The answer to ``call``, one of ``CALLS``; ``file`` is the Dockerfile's name, ``source`` its text."""
    if call == "check":
        return warnings(checked.warnings, file, source)
    if call == "outline":
        return _outline(checked.outline)
    if call == "targets":
        return {"targets": [_target(target) for target in checked.targets]}
    raise InvalidParameter(f"invalid call {call!r}: it is one of {', '.join(CALLS)}")


def warnings(findings: Sequence[Finding], file: str, source: bytes) -> dict[str, Any]:
    """What lint has to say."""
    return {
        "warnings": [
            {
                "ruleName": one.rule,
                "detail": one.message,
                "location": {"ranges": [{"start": {"line": one.first}, "end": {"line": one.last}}]},
            }
            for one in findings
        ],
        "sources": [{"filename": file, "language": "Dockerfile", "data": source.decode("utf-8", "replace")}],
    }


def _outline(outline: Outline) -> dict[str, Any]:
    return _without_empty(
        name=outline.name,
        description=outline.description,
        args=[_without_empty(name=one.name, description=one.description, value=one.value) for one in outline.arguments],
        secrets=[_wish(one) for one in outline.secrets],
        ssh=[_wish(one) for one in outline.agents],
        cache=[{"ID": one.name} for one in outline.caches],
    )


def _target(target: Target) -> dict[str, Any]:
    return _without_empty(
        name=target.name,
        default=target.default,
        description=target.description,
        base=target.base,
        platform=target.platform,
    )


def _wish(wish: Wish) -> dict[str, Any]:
    return _without_empty(name=wish.name, required=wish.required)


def _without_empty(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
