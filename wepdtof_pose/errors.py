"""The error that bad input raises, shown to a person as one line and exit code 2."""


class InputError(ValueError):
    """Input that cannot be used: the message says what is wrong, where, and what to do."""
