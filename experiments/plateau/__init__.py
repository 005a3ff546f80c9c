"""Where does the size of a flexible network come to rest without a price, and does weight decay hold it there?"""

from experiments.plateau.study import COMMAND as COMMAND
from experiments.plateau.study import STUDY as STUDY
from experiments.plateau.study import PlateauFlags as PlateauFlags
