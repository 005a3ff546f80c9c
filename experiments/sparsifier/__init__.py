"""How many units does a network keep when every unit has a price, and is it the better for it?"""

from experiments.sparsifier.study import COMMAND as COMMAND
from experiments.sparsifier.study import STUDY as STUDY
from experiments.sparsifier.study import SparsifierFlags as SparsifierFlags
