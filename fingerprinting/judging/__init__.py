"""A case: what is fixed before a suspect is asked, what it responded, and how others verify both."""
