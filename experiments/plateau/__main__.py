"""`python -m experiments.plateau`"""

import sys

from experiments.plateau import COMMAND

sys.exit(COMMAND.main())
