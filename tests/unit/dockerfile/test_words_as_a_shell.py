"""Substitutions that a Dockerfile shares with a shell become what a real shell makes of them."""

import itertools
import random
import subprocess

from havre.dockerfile.words import expand

CASES = 1500


def cases() -> list[tuple[str, str | None]]:
    """Substitutions of V, and V's value: None for unset."""
    generator = random.Random(34)
    found: list[tuple[str, str | None]] = []
    for _ in range(CASES):
        value = "".join(generator.choices("ab/.", k=generator.randrange(8)))
        pattern = "".join(generator.choices("ab/.*?", k=generator.randrange(5)))
        operator = generator.choice(["#", "##", "%", "%%"])
        found.append((f"${{V{operator}{pattern}}}", value))
    words = ["", "x", "$W", "${W:-y}", "a${V}b"]
    for operator, word, value in itertools.product([":-", "-", ":+", "+"], words, [None, "", "v"]):
        found.append((f"<${{V{operator}{word}}}>", value))
    return found


def test_substitutions() -> None:
    script = ["W=w"]
    for text, value in cases():
        script.append("unset V" if value is None else f"V='{value}'")
        script.append(f"printf '%s\\n' \"{text}\"")
    done = subprocess.run(["sh"], input="\n".join(script), capture_output=True, text=True, check=True)
    answers = done.stdout.split("\n")
    for (text, value), answer in zip(cases(), answers, strict=False):
        variables = {"W": "w"} if value is None else {"W": "w", "V": value}
        assert expand(f'"{text}"', variables).text == answer, (text, value)
    assert len(answers) == len(cases()) + 1
