"""The REST door on real sockets, with a fake engine behind it."""
