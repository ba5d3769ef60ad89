"""Unit tests of havre.api."""
