"""The command `tenantry`, which `pip install tenantry` installs; also `python -m tenantry`."""

import signal
import sys

from . import _native


def main() -> int:
    """Runs the command line, and returns the code with which the process is to end."""
    # The command runs in native code, which Python's own handler does not interrupt.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.run_command(["tenantry", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
