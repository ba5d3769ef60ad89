"""Names for containers that were given none."""

import re

from havre.lib import names
from havre.lib.names import random_name

VALID = re.compile(r"[a-z]+_[a-z]+")


def test_a_name_is_an_adjective_and_a_noun() -> None:
    for _ in range(100):
        assert VALID.fullmatch(random_name(lambda name: False))


def test_taken_names_are_not_given() -> None:
    taken: set[str] = set()
    for _ in range(500):
        name = random_name(taken.__contains__)
        assert name not in taken
        taken.add(name)


def test_numbers_help_out_when_all_words_are_taken() -> None:
    name = random_name(lambda name: name[-1].isalpha() or name.endswith("1"))
    assert re.fullmatch(r"[a-z]+_[a-z]+\d+", name)


def test_no_word_stands_twice() -> None:
    for words in (names._ADJECTIVES, names._NOUNS):
        assert len(words) == len(set(words)) > 90
