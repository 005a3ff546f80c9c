"""`python -m experiments.plateau`"""

from experiments.plateau import COMMAND

raise SystemExit(COMMAND.main())
