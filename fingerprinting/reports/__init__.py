"""What records become for people to read: pages of Markdown, CSV files, figures, the numbers of README and docs."""

from fingerprinting import calibrated  # noqa: F401 (its rows of the table of methods)
