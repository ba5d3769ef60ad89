"""Instructions with their variables replaced: which words of which instruction that happens to, and how.

RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK and ONBUILD keep their words: a shell, or a later build, reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import (
    Add,
    Arg,
    Copy,
    Env,
    Expose,
    From,
    Instruction,
    Label,
    Run,
    StopSignal,
    Transfer,
    User,
    Volume,
    Workdir,
)
from havre.dockerfile.lines import Heredoc
from havre.dockerfile.words import expand

_LONGEST = 4 << 20


@dataclass(slots=True)
class Scope:
    """What variables are worth where an instruction stands. ``unset`` gathers the names that had no value."""

    variables: Mapping[str, str]
    escape: str = "\\"
    unset: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Raises ``DockerfileError`` when there is too much of it: each line could double what came before."""
        if sum(map(len, self.variables.values())) > _LONGEST:
            raise DockerfileError(f"all variables together are longer than {_LONGEST >> 20} MiB")

    def word(self, text: str) -> str:
        """``text`` as one word."""
        result = expand(text, self.variables, self.escape)
        self.unset |= result.unset
        return result.text

    def words(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Each of ``texts`` as one word."""
        return tuple(self.word(text) for text in texts)

    def split(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """All words that ``texts`` become: a variable may hold several."""
        out: list[str] = []
        for text in texts:
            result = expand(text, self.variables, self.escape)
            self.unset |= result.unset
            out += result.words
        return tuple(out)

    def content(self, heredoc: Heredoc) -> str:
        """A here-document's lines; their quotes are theirs."""
        if not heredoc.expand:
            return heredoc.content
        result = expand(heredoc.content, self.variables, self.escape, raw_quotes=True)
        self.unset |= result.unset
        return result.text


def expanded(instruction: Instruction, scope: Scope) -> Instruction:
    """``instruction`` with the values of ``scope``. Raises ``DockerfileError`` with its line."""
    if isinstance(instruction, From):
        return replace(instruction, base=scope.word(instruction.base), platform=scope.word(instruction.platform))
    if isinstance(instruction, Arg):
        pairs = tuple(
            (scope.word(name), None if value is None else scope.word(value)) for name, value in instruction.pairs
        )
        return replace(instruction, pairs=pairs)
    if isinstance(instruction, Env | Label):
        return replace(
            instruction, pairs=tuple((scope.word(name), scope.word(value)) for name, value in instruction.pairs)
        )
    if isinstance(instruction, Run):
        return replace(instruction, mounts=scope.words(instruction.mounts), devices=scope.words(instruction.devices))
    if isinstance(instruction, Transfer):
        return _transfer(instruction, scope)
    if isinstance(instruction, Expose):
        return replace(instruction, ports=scope.split(instruction.ports))
    if isinstance(instruction, Volume):
        return replace(instruction, paths=scope.words(instruction.paths))
    if isinstance(instruction, User):
        return replace(instruction, user=scope.word(instruction.user))
    if isinstance(instruction, Workdir):
        return replace(instruction, path=scope.word(instruction.path))
    if isinstance(instruction, StopSignal):
        return replace(instruction, signal=scope.word(instruction.signal))
    return instruction


def _transfer(instruction: Transfer, scope: Scope) -> Transfer:
    shared = replace(
        instruction,
        sources=scope.words(instruction.sources),
        target=scope.word(instruction.target),
        chown=scope.word(instruction.chown),
        chmod=scope.word(instruction.chmod),
        exclude=scope.words(instruction.exclude),
    )
    if isinstance(shared, Copy):
        return replace(shared, origin=scope.word(shared.origin))
    if isinstance(shared, Add):
        return replace(shared, checksum=scope.word(shared.checksum))
    return shared
