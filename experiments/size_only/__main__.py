"""`python -m experiments.size_only`"""

from experiments.size_only import COMMAND

raise SystemExit(COMMAND.main())
