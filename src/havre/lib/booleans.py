"""What Go reads as a truth value, which is what Docker's options take."""

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def parse_bool(text: str) -> bool | None:
    """None for what is neither."""
    return True if text in _TRUE else False if text in _FALSE else None
