"""`python -m lambdas.cli`."""

import sys

from lambdas.cli.main import main

sys.exit(main())
