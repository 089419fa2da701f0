"""Ours: the calibrated fingerprint, by labels alone, with verdicts at a stated false positive rate."""

from fingerprinting.calibrated import representation  # noqa: F401 (adds its rows to the table of methods)
