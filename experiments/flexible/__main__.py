"""`python -m experiments.flexible`"""

import sys

from experiments.flexible import COMMAND

sys.exit(COMMAND.main())
