"""Stand-ins for what is outside of havre or slow, with faults that can be asked for."""
