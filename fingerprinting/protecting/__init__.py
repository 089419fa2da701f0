"""A model and data of the owner's, protected without a domain file: what is found out about them, and one run."""
