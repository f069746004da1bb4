"""Values of command-line options that several commands take. Nothing heavy is imported here."""

from __future__ import annotations

from wepdtof_pose.errors import InputError


def names_of(text: str, *, option: str) -> list[str]:
    """The names in a comma-separated text.

    Raises:
        InputError: there is none; the message names the option.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError(f"{option} {text!r} names nothing")
    return names
