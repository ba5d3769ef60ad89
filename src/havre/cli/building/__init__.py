"""``havre build``: what is sent to the daemon, and how what it tells is shown."""
