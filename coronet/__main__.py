"""The command line: `python -m coronet VERB ...`, the library's verbs one to one. See `python -m coronet --help`."""

import json
import sys
import traceback
from collections.abc import Sequence

from coronet.commands import COMMANDS, parse
from coronet.errors import CoronetError
from coronet.priority import wait_asleep

DONE, BUG, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; give the exit status: 0 done, 2 a mistake of the user (one line on stderr), 1 a bug."""
    wait_asleep()
    parsed = parse(arguments)
    try:
        result = COMMANDS[parsed.verb].run(parsed)
    except CoronetError as error:
        print(f"coronet: {_one_line(error)}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print("coronet: stopped.", file=sys.stderr)
        return INTERRUPTED
    except Exception:
        traceback.print_exc()
        return BUG
    if result is None:
        return INTERRUPTED if parsed.verb in ("compress", "compare", "train", "resume") else DONE
    if parsed.json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))
    else:
        print(COMMANDS[parsed.verb].show(result))
    return DONE


def _one_line(error: CoronetError) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
