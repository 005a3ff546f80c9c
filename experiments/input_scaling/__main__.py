"""`python -m experiments.input_scaling`"""

import sys

from experiments.input_scaling import COMMAND

sys.exit(COMMAND.main())
