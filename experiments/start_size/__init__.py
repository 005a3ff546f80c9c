"""Does it matter how large a network is when it starts to shrink, and what does starting large cost?"""

from experiments.start_size.study import COMMAND as COMMAND
from experiments.start_size.study import StartSizeFlags as StartSizeFlags
from experiments.start_size.study import run as run
