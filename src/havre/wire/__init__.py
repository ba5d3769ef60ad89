"""The words both ends of the socket speak: API types, stream frames, JSON lines, versions, filters. No I/O here."""
