"""The handlers, by the noun in their path: each decodes, makes one call to the engine, and encodes."""
