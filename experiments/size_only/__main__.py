"""`python -m experiments.size_only`"""

import sys

from experiments.size_only import COMMAND

sys.exit(COMMAND.main())
