"""The image room, without root: snapshots and unpacking are stand-ins here, and real in tests/system."""
