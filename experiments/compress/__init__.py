"""Does a network that starts far too large, and shrinks while it trains, beat the alternatives?"""

from experiments.compress.flags import CompressFlags as CompressFlags
from experiments.compress.study import COMMAND as COMMAND
from experiments.compress.study import STUDY as STUDY
