"""Tests with real containers, registries and clients; they need root."""
