"""One module for each kind of resource of the distribution protocol: decode, act, answer."""
