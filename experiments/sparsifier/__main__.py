"""`python -m experiments.sparsifier`"""

import sys

from experiments.sparsifier import COMMAND

sys.exit(COMMAND.main())
