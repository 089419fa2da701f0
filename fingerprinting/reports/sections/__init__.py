"""A topic's tables, from records."""
