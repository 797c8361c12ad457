"""The command line's complaints: one line, and what to call for help."""

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaints are one line on stderr that begins with the program's name."""

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        verb = self.prog.partition(" ")[2]
        self.exit(2, f"coronet: {message}. See: coronet {f'{verb} ' if verb else ''}--help\n")
