"""Judging a suspect: the queries for it, what it responded, and the verdict."""
