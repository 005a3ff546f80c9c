"""Why does a network stop training when its inputs are multiplied by 255, and what makes up for it?"""

from experiments.input_scaling.flags import InputScalingFlags as InputScalingFlags
from experiments.input_scaling.study import COMMAND as COMMAND
from experiments.input_scaling.study import STUDY as STUDY
