"""Does a trained network ask for more units when its weights stand still and only its size may move?"""

from experiments.size_only.study import COMMAND as COMMAND
from experiments.size_only.study import STUDY as STUDY
from experiments.size_only.study import SizeOnlyFlags as SizeOnlyFlags
