"""The one exception that a user may see."""


class UserError(Exception):
    """A mistake that the user can mend: one clear sentence that says what to do, exit status 2, no traceback."""
