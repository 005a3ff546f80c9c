"""`python -m experiments.start_size`"""

import sys

from experiments.start_size import COMMAND

sys.exit(COMMAND.main())
