"""What records become for people to read: pages of Markdown, CSV files, figures, README's numbers."""
