"""Unit tests of havre.daemon."""
