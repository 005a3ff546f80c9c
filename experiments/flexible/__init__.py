"""Does a trained size forget where it started, and is a network of a learned size as good as a static one?"""

from experiments.flexible.study import COMMAND as COMMAND
from experiments.flexible.study import STUDY as STUDY
from experiments.flexible.study import LearnedSizeFlags as LearnedSizeFlags
