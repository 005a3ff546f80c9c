"""`python -m experiments.input_scaling`"""

import sys

from experiments.input_scaling import STUDY

sys.exit(STUDY.main())
