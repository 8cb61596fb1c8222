"""``python -m autodenoise`` is the program ``autodenoise``: this process becomes it."""

from __future__ import annotations

import os
import sys

from autodenoise._program import ProgramNotFoundError, find_program


def main() -> None:
    """Replaces this process by the program, with the same arguments."""
    try:
        program = find_program()
    except ProgramNotFoundError as error:
        sys.exit(f"autodenoise: {error}")
    os.execv(program, [str(program), *sys.argv[1:]])


if __name__ == "__main__":
    main()
