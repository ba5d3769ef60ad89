"""A Dockerfile's text as instructions: continuation lines joined, comments taken out, here-documents taken in.

What is in an instruction is read in ``instructions``; here it has a keyword, its flags and the rest of its text.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.words import expand

MAX_BYTES = 16 << 20  # of a Dockerfile: more is a mistake
MAX_INSTRUCTIONS = 5_000  # what is planned for each takes all variables before it
_DIRECTIVE = re.compile(r"^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=(.*)$")
_DIRECTIVES = ("syntax", "escape", "check")
_COMMENT = re.compile(r"^\s*#")
_HEREDOC = re.compile(r"^(\d*)<<(-?)([^<]*)$")
_WITH_HEREDOCS = ("add", "copy", "run")
_BLANKS = " \t\r\n\v\f"


@dataclass(frozen=True, slots=True)
class Heredoc:
    """``<<NAME``: its lines, and whether variables in them are replaced. ``strip``: tabs in front are taken away."""

    name: str
    content: str
    expand: bool
    strip: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction: ``RUN --network=none  echo hello`` is run, ("--network=none",), "echo hello".

    ``first`` and ``last`` are its lines in the file, from 1; ``comments`` are those directly above it.
    """

    keyword: str
    flags: tuple[str, ...]
    rest: str
    first: int
    last: int
    original: str
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A Dockerfile as lines, with its directives and what its reader should be warned of: (line, sentence).

    ``escape`` continues lines and protects signs.
    """

    text: str
    lines: tuple[Line, ...]
    directives: dict[str, str]
    escape: str
    warnings: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class _Reader:
    """The physical lines, and how far they have been read."""

    lines: Sequence[str]
    at: int = 0
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        while self.at < len(self.lines):
            self.at += 1
            yield self.lines[self.at - 1]


def read(data: bytes, escape: str = "\\") -> Source:
    """The lines of a Dockerfile; ``escape`` holds unless it says otherwise itself.

    Raises ``DockerfileError`` with the line for what is not the language.
    """
    if len(data) > MAX_BYTES:
        raise DockerfileError(f"the Dockerfile is larger than {MAX_BYTES >> 20} MiB")
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    physical = [line.removesuffix("\r") for line in text.split("\n")]
    directives = _directives(physical)
    escape = directives.get("escape", escape)
    reader = _Reader(physical)
    lines = tuple(itertools.islice(_instructions(reader, escape), MAX_INSTRUCTIONS + 1))
    if len(lines) > MAX_INSTRUCTIONS:
        raise DockerfileError(f"there are more than {MAX_INSTRUCTIONS} instructions", lines[-1].first)
    if not lines:
        raise DockerfileError("file with no instructions")
    return Source(text, lines, directives, escape, tuple(reader.warnings))


def json_words(text: str) -> list[str] | None:
    """The strings of a JSON array; None for what is not JSON, which is the shell form."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return None
    return value


def _directives(lines: Sequence[str]) -> dict[str, str]:
    """``# key=value`` before anything else."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.match(line)
        if match is None:
            # A line of a program's kind may stand above them.
            if number == 1 and line.startswith("#!"):
                continue
            break
        key, value = match[1].lower(), match[2].strip()
        if not value:
            break
        if key not in _DIRECTIVES:
            continue
        if key in found:
            raise DockerfileError(f"only one {key} parser directive can be used", number)
        if key == "escape" and value not in ("\\", "`"):
            raise DockerfileError(f"invalid escape token {value!r} does not match ` or \\", number)
        found[key] = value
    return found


def _instructions(reader: _Reader, escape: str) -> Iterator[Line]:
    continued = re.compile(rf"(^|[^{re.escape(escape)}]){re.escape(escape)}[ \t]*$")
    comments: list[str] = []
    for physical in reader:
        if _COMMENT.match(physical):
            comments.append(physical.strip().lstrip("#").strip())
            continue
        if not physical.strip(_BLANKS):
            comments = []
            continue
        first = reader.at
        text = _joined(reader, physical.lstrip(_BLANKS), continued)
        if text.strip(_BLANKS):
            yield _line(reader, text, first, escape, tuple(comments))
        comments = []


def _joined(reader: _Reader, text: str, continued: re.Pattern[str]) -> str:
    """``text`` with the lines that continue it."""
    first = reader.at
    parts: list[str] = []
    empty = False
    while (match := continued.search(text)) is not None:
        parts.append(text[: match.start()] + match[1])
        for following in reader:
            if _COMMENT.match(following):
                continue
            if not following.strip(_BLANKS):
                empty = True
                continue
            text = following
            break
        else:
            text = ""
    if empty:
        reader.warnings.append((first, "Empty continuation line found in: " + ("".join(parts) + text).strip()))
    return "".join(parts) + text


def _line(reader: _Reader, text: str, first: int, escape: str, comments: tuple[str, ...]) -> Line:
    keyword, _, rest = _split(text)
    try:
        flags, rest = _flags(rest, escape)
        heredocs = tuple(_heredocs(reader, rest, escape)) if _may_have_heredocs(keyword, rest) else ()
    except DockerfileError as error:
        raise error.at(first, reader.at) from None
    original = "\n".join(reader.lines[first - 1 : reader.at])
    return Line(keyword.lower(), tuple(flags), rest, first, reader.at, original, heredocs, comments)


def _split(text: str) -> tuple[str, str, str]:
    """A word, the blanks after it, and the rest."""
    match = re.match(r"(\S*)(\s*)(.*)", text.strip(_BLANKS), re.DOTALL)
    assert match is not None
    return match[1], match[2], match[3]


def _flags(rest: str, escape: str) -> tuple[list[str], str]:
    """The words with two dashes in front of an instruction's rest; quotes and escapes keep blanks in them."""
    flags: list[str] = []
    at = 0
    while True:
        while at < len(rest) and rest[at] in _BLANKS:
            at += 1
        if not rest.startswith("--", at):
            return flags, rest[at:]
        word, at = _flag(rest, at, escape)
        if word == "--":
            return flags, rest[at:].lstrip(_BLANKS)
        flags.append(word)


def _flag(rest: str, at: int, escape: str) -> tuple[str, int]:
    """The flag at ``at`` without its quotes, and where it ends."""
    out: list[str] = []
    quote = ""
    while at < len(rest):
        sign = rest[at]
        if sign == escape and quote != "'" and at + 1 < len(rest):
            # Between double quotes an escape protects only what ends them.
            out.append(rest[at + 1] if not quote or rest[at + 1] in (quote, escape) else sign + rest[at + 1])
            at += 2
            continue
        if quote:
            if sign == quote:
                quote = ""
            else:
                out.append(sign)
        elif sign in "'\"":
            quote = sign
        elif sign in _BLANKS:
            break
        else:
            out.append(sign)
        at += 1
    return "".join(out), at


# -- here-documents ------------------------------------------------------------------------------------------------


def _may_have_heredocs(keyword: str, rest: str) -> bool:
    keyword = keyword.lower()
    if keyword == "onbuild":
        keyword, _, rest = _split(rest)
        keyword = keyword.lower()
    return keyword in _WITH_HEREDOCS and "<<" in rest and not rest.lstrip().startswith("[")


def _heredocs(reader: _Reader, rest: str, escape: str) -> Iterator[Heredoc]:
    for name, literal, strip in announced(rest, escape):
        body: list[str] = []
        for physical in reader:
            if (physical.lstrip("\t") if strip else physical) == name:
                break
            body.append(physical + "\n")
        else:
            raise DockerfileError(f"unterminated heredoc: no line {name!r} follows")
        if strip:
            body = [line.lstrip("\t") for line in body]
        yield Heredoc(name, "".join(body), not literal, strip)


def announced(rest: str, escape: str) -> Iterator[tuple[str, bool, bool]]:
    """The here-documents that ``rest`` names: (name, its variables are left alone, its tabs are taken away)."""
    for word in expand(rest, {}, escape, raw_quotes=True, raw_escapes=True, keep_unset=True).words:
        match = _HEREDOC.match(word)
        if match is None or not match[3]:
            continue
        bare = expand(match[3], {}, escape, keep_unset=True)
        if len(bare.words) == 1:
            yield bare.words[0], bare.words[0] != match[3], bool(match[2])
