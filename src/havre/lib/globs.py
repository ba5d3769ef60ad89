"""Shell patterns as Go's ``path.Match`` reads them, which Docker's filters use (``*`` stops at a slash)."""


def match(pattern: str, name: str) -> bool:
    """Whether the whole of ``name`` fits ``pattern``.

    ``*`` and ``?`` do not match ``/``; ``[a-z]``, ``[^a-z]`` do; ``\\`` makes the next character a literal.
    Raises ValueError for a malformed pattern.
    """
    tokens = _parse(pattern)
    # The positions in `name` reachable after each token: no backtracking, so no pattern is slow.
    reached = {0}
    for token in tokens:
        reached = _star(name, reached) if token is None else _step(name, reached, token)
    return len(name) in reached


# What one character must be: (negated, ranges); None stands for `*`.
_Token = tuple[bool, tuple[tuple[str, str], ...]]
_NOT_SLASH: _Token = (True, (("/", "/"),))


def _star(name: str, reached: set[int]) -> set[int]:
    result = set(reached)
    for start in reached:
        end = name.find("/", start)
        result.update(range(start, (len(name) if end < 0 else end) + 1))
    return result


def _step(name: str, reached: set[int], token: _Token) -> set[int]:
    negated, ranges = token
    return {
        i + 1 for i in reached if i < len(name) and any(low <= name[i] <= high for low, high in ranges) is not negated
    }


def _parse(pattern: str) -> list[_Token | None]:
    tokens: list[_Token | None] = []
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "*":
            tokens.append(None)
            i += 1
        elif char == "?":
            tokens.append(_NOT_SLASH)
            i += 1
        elif char == "[":
            token, i = _class(pattern, i + 1)
            tokens.append(token)
        else:
            literal, i = _literal(pattern, i)
            tokens.append((False, ((literal, literal),)))
    return tokens


def _class(pattern: str, i: int) -> tuple[_Token, int]:
    negated = pattern[i : i + 1] == "^"
    i += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern[i : i + 1] == "]"):
        if pattern[i : i + 1] in ("", "-", "]"):
            raise ValueError("syntax error in pattern")
        low, i = _literal(pattern, i)
        high = low
        if pattern[i : i + 1] == "-":
            if pattern[i + 1 : i + 2] in ("", "-", "]"):
                raise ValueError("syntax error in pattern")
            high, i = _literal(pattern, i + 1)
        ranges.append((low, high))
    return (negated, tuple(ranges)), i + 1


def _literal(pattern: str, i: int) -> tuple[str, int]:
    if pattern[i] == "\\":
        i += 1
        if i == len(pattern):
            raise ValueError("syntax error in pattern")
    return pattern[i], i + 1
