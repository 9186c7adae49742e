"""`python -m cumulet` is the command line."""

import sys

from cumulet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
