"""Tests of single modules, laid out as src is; no root, no network but loopback."""
