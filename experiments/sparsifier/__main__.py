"""`python -m experiments.sparsifier`"""

from experiments.sparsifier import COMMAND

raise SystemExit(COMMAND.main())
