"""What records become for people to read: pages of Markdown, CSV files, figures, the numbers of README and docs."""
