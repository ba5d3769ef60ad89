"""The room of durable state: SQLite with one writer, atomic files, the disk tree drawn once, the lock on it."""
