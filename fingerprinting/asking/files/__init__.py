"""Suspects that are files: the enemy's, so they are opened and run in a child process of few rights alone."""
