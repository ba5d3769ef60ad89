"""Which stages a build needs, and what each stands on: known before any image is looked at.

``--from`` and FROM name earlier stages, named contexts, or images; named contexts come first, for they are there to
replace the others.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from havre.dockerfile.expansion import Scope, expanded
from havre.dockerfile.faults import DockerfileError, nearest
from havre.dockerfile.instructions import Copy, Dockerfile, From, Instruction, Run
from havre.lib.quoting import quote


class Kind(Enum):
    """What a name in FROM or ``--from`` stands for."""

    STAGE = "stage"
    CONTEXT = "context"
    IMAGE = "image"
    SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where files come from: ``stage`` is its number, ``name`` the context's or image's name."""

    kind: Kind
    name: str = ""
    stage: int = -1


@dataclass(frozen=True, slots=True)
class StageNeeds:
    """What stage ``number`` stands on. ``origins`` are the things its instructions take files from, by their words."""

    number: int
    base: Origin
    platform: str
    origins: Mapping[str, Origin]


class Stages:
    """The stages of one Dockerfile, by name and number."""

    def __init__(self, dockerfile: Dockerfile, scope: Scope, contexts: Collection[str]) -> None:
        """``scope`` holds the arguments from before the first FROM. Raises ``DockerfileError``."""
        self._dockerfile = dockerfile
        self._contexts = {name.lower(): name for name in contexts}
        self.bases = tuple(self._base(stage.base, scope) for stage in dockerfile.stages)

    def _base(self, base: From, scope: Scope) -> From:
        try:
            read = expanded(base, scope)
        except DockerfileError as error:
            raise error.at(base.line.first, base.line.last) from None
        assert isinstance(read, From)
        if not read.base:
            raise DockerfileError(f"base name ({base.base}) should not be blank", base.line.first, base.line.last)
        return read

    def number(self, target: str) -> int:
        """The stage that ``--target`` means; "" is the last. Raises ``DockerfileError``."""
        if not target:
            return len(self._dockerfile.stages) - 1
        found = self._earlier(target, len(self._dockerfile.stages))
        if found is None:
            names = tuple(stage.name for stage in self._dockerfile.stages if stage.name)
            guess = nearest(target.lower(), names)
            raise DockerfileError(
                f"target stage {quote(target)} could not be found" + (f" (did you mean {guess}?)" if guess else "")
            )
        return found

    def needed(self, end: int, triggers: Mapping[int, Sequence[Instruction]] | None = None) -> list[StageNeeds]:
        """The stages without which ``end`` cannot be built, in the order of the file.

        ``triggers`` are what the base images of stages bring along (ONBUILD); they are known only when those are, and
        may need more.
        """
        found: dict[int, StageNeeds] = {}
        waiting = [end]
        while waiting:
            number = waiting.pop()
            if number in found:
                continue
            needs = self._needs(number, (triggers or {}).get(number, ()))
            found[number] = needs
            waiting += [origin.stage for origin in (needs.base, *needs.origins.values()) if origin.kind is Kind.STAGE]
        return [found[number] for number in sorted(found)]

    def _needs(self, number: int, triggers: Sequence[Instruction]) -> StageNeeds:
        base = self.bases[number]
        origins: dict[str, Origin] = {}
        for instruction in (*triggers, *self._dockerfile.stages[number].instructions):
            for word in origins_of(instruction):
                if "$" in word:
                    raise DockerfileError(
                        f"variable expansion is not supported for --from ({word}): name a stage with FROM instead",
                        instruction.line.first,
                        instruction.line.last,
                    )
                origins[word] = self.origin(word, number, instruction)
        return StageNeeds(number, self._from(base, number), base.platform, origins)

    def _from(self, base: From, number: int) -> Origin:
        """What a FROM names; a number is an image's name there."""
        context = self._contexts.get(base.base.lower())
        if context is not None:
            return Origin(Kind.CONTEXT, context)
        if base.base == "scratch":
            return Origin(Kind.SCRATCH)
        stage = self._called(base.base, number)
        return Origin(Kind.IMAGE, base.base) if stage is None else Origin(Kind.STAGE, base.base, stage)

    def origin(self, word: str, before: int, instruction: Instruction) -> Origin:
        """What ``--from=word`` names in stage ``before``. Raises ``DockerfileError`` for a stage that comes later."""
        context = self._contexts.get(word.lower())
        if context is not None:
            return Origin(Kind.CONTEXT, context)
        stage = self._earlier(word, before)
        if stage is not None:
            return Origin(Kind.STAGE, word, stage)
        if word.isdigit():
            raise DockerfileError(
                f"invalid from flag value {word}: refers to a stage that does not come before",
                instruction.line.first,
                instruction.line.last,
            )
        if self._dockerfile.stages[before].name == word.lower():
            raise DockerfileError(
                f"circular dependency detected on stage: {word}", instruction.line.first, instruction.line.last
            )
        return Origin(Kind.IMAGE, word)

    def _earlier(self, word: str, before: int) -> int | None:
        if word.isdigit() and word.isascii():
            return int(word) if int(word) < before else None
        return self._called(word, before)

    def _called(self, name: str, before: int) -> int | None:
        """The last stage of this name before number ``before``."""
        for number in range(before - 1, -1, -1):
            if self._dockerfile.stages[number].name == name.lower():
                return number
        return None


def origins_of(instruction: Instruction) -> list[str]:
    """The words with which ``instruction`` names other stages, contexts or images to take files from."""
    if isinstance(instruction, Copy):
        return [instruction.origin] if instruction.origin else []
    if isinstance(instruction, Run):
        return [origin for text in instruction.mounts if (origin := _mount_origin(text))]
    return []


def _mount_origin(text: str) -> str:
    """``from`` of a mount; other fields may hold variables and are read later."""
    for item in text.split(","):
        name, _, value = item.partition("=")
        if name.lower() == "from":
            return value
    return ""
