"""Why does a network stop training when its inputs are multiplied by 255, and what makes up for it?"""

from experiments.input_scaling.study import COMMAND as COMMAND
from experiments.input_scaling.study import STUDY as STUDY
from experiments.input_scaling.study import InputScalingFlags as InputScalingFlags
