"""`python -m experiments.compress`"""

import sys

from experiments.compress import COMMAND

sys.exit(COMMAND.main())
