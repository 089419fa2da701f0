"""Tests, in the folders of what they test; what concerns all of the repository stands in repository/."""
