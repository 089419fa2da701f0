"""A domain, a study of it, models on disk, and records."""
