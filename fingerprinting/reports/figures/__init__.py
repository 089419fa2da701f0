"""A kind of picture, from records."""
