"""Tests of havre.image.remote against a faulty registry."""
