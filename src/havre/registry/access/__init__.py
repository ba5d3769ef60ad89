"""Who may do what: credentials, tokens, rules, robot accounts and rate limits; ``gate.py`` puts them together."""
