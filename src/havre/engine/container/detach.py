"""Detach keys: the sequence a user types to leave a container without ending it. Sans-io."""

from havre.errors import InvalidParameter

DEFAULT = "ctrl-p,ctrl-q"


def parse(text: str, called: str = "detach") -> bytes:
    """``ctrl-p,ctrl-q`` or ``a,b`` as the bytes a terminal sends. ``InvalidParameter`` for an unknown key, in which the
    keys are ``called`` so.
    """
    keys = bytearray()
    for name in (text or DEFAULT).split(","):
        if len(name) == 1 and name.isascii():
            keys.append(ord(name))
        elif name.startswith("ctrl-") and len(name) == 6 and (name[5].isalpha() or name[5] in "@[\\]^_"):
            keys.append(ord(name[5].upper()) & 0x1F)
        else:
            raise InvalidParameter(f"Invalid {called} keys ({text}) provided")
    return bytes(keys)


class Detector:
    """Watches a stream of input for the sequence; what turns out not to belong to it is passed on."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """The input to pass on, and whether the sequence was completed (what follows it is dropped)."""
        if self._matched == 0 and self._keys[0] not in data:
            return data, False
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    return bytes(passed), True
                continue
            passed += self._keys[: self._matched]
            self._matched = 1 if byte == self._keys[0] else 0
            if not self._matched:
                passed.append(byte)
        return bytes(passed), False
