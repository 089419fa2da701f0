"""Pages that a browser shows: of a verdict, and of all results. They need no network and no JavaScript."""
