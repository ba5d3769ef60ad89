"""The client's end of the Engine API: where the daemon is, HTTP on a socket, taken-over connections, credentials."""
