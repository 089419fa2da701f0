"""Models: their kinds, how they are trained, and what is known of those that are there."""

from fingerprinting.models import stealing  # noqa: F401 (fills the table of kinds)
