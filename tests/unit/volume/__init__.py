"""Unit tests of havre.volume."""
