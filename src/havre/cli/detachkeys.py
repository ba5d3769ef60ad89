"""The keys that leave a container running and return to the shell: ``ctrl-p,ctrl-q`` unless configured otherwise."""

from __future__ import annotations

DEFAULT = "ctrl-p,ctrl-q"
_CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse(text: str) -> bytes:
    """``"ctrl-p,q"`` → the bytes to type. Raises ValueError with Docker's text for an unknown key."""
    keys = bytearray()
    for key in text.split(","):
        if len(key) == 1 and key.isascii():
            keys.append(ord(key))
            continue
        name, dash, letter = key.partition("-")
        if name != "ctrl" or not dash or len(letter) != 1:
            raise ValueError(f"Unknown character: '{key}'")
        if "a" <= letter <= "z":
            keys.append(ord(letter) - ord("a") + 1)
        elif letter in _CONTROL:
            keys.append(_CONTROL[letter])
        else:
            raise ValueError(f"Unknown character: '{key}'")
    return bytes(keys)


class Watch:
    """Looks for the keys in what is typed. A part of the sequence is held back until it is clear whether the
    rest follows.
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """(what to pass on, whether the sequence is complete); nothing after a complete sequence is passed on."""
        out = bytearray()
        for byte in typed:
            if self._keys and byte == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    self._matched = 0
                    return bytes(out), True
                continue
            if self._matched:
                # The held part was no sequence; a new one may begin with this byte.
                out += self._keys[: self._matched]
                self._matched = 0
                if byte == self._keys[0]:
                    self._matched = 1
                    continue
            out.append(byte)
        return bytes(out), False

    def held(self) -> bytes:
        """What is held back, to be passed on at the end of the input."""
        held, self._matched = self._keys[: self._matched], 0
        return held
