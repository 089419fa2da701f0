"""Fingerprints: queries, representations, distances, and the table of methods."""
