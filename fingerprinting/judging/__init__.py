"""Judging a suspect: the queries for it, what it responded, the verdict, and the evidence that others verify."""
