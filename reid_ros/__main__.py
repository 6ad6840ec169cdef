"""`python -m reid_ros`."""

import sys

from reid_ros.cli import main

sys.exit(main())
