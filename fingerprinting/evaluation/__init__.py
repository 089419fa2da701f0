"""Matching and what is varied around it: overlap, query budgets, ablations."""
