"""The command line client: `main` finds the command, one module a command in `commands`, and what they share."""
