"""What the values of arguments must be, for all commands: a function each for argparse's `type`."""

from __future__ import annotations

import argparse
from pathlib import Path


def named_path(text: str) -> Path:
    """A file or folder. An unset variable of a shell names none, which `Path` would take for the current folder.

    Raises:
        argparse.ArgumentTypeError: it is empty.
    """
    return Path(not_empty(text))


def not_empty(text: str) -> str:
    """A name or file that is at least something.

    Raises:
        argparse.ArgumentTypeError: it is empty.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name was given; is a variable of the shell unset?")
    return text
