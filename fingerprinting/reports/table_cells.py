"""Cells that tables share: a method's representation, (method, output, representation), counts and AUCs."""

from fingerprinting.fingerprints.registry import Identity
from fingerprinting.methods import METHODS, and_minus_twins
from fingerprinting.reports.words import said

REPRESENTATIONS: list[Identity] = [method.identity for method in and_minus_twins(METHODS)]  # in the order of all tables


def names(identity: Identity) -> list[str]:
    """The first two cells of its line: the fingerprint; representation and output."""
    method, output, representation = identity
    return [method, in_words(output, representation)]


def in_words(output: str, representation: str) -> str:
    """The representation and the output it needs, without the fingerprint's name."""
    return f"{said(representation).replace('_', ' ')}, {output}"


def counts(row: dict) -> str:
    """How many models an AUC is of: stolen / independent."""
    return f"{row['n_pirated']} / {row['n_independent']}"


def auc(row: dict | None, digits: int = 2) -> str:
    """An AUC and its interval; empty without a row."""
    return "{} [{}, {}]".format(*(f"{row[key]:.{digits}f}" for key in ("auc", "auc_low", "auc_high"))) if row else ""
