"""The tables of the networks room."""

MIGRATIONS: tuple[str, ...] = ()
