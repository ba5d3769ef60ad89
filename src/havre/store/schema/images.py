"""The tables of the images room."""

MIGRATIONS: tuple[str, ...] = ()
