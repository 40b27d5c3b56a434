"""``python -m unitgain`` is the ``unitgain`` command."""

import sys

from unitgain.cli import main

sys.exit(main())
