"""The tests of havre: unit/ mirrors src, system/ needs root and starts real containers."""
