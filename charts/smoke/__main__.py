"""Entry point: python3 -I -B /opt/platform/smoke"""

import sys
from pathlib import Path

# Python adds this folder to its path; importing the package needs the folder above.
sys.path[0] = str(Path(__file__).parent.parent)

from smoke.run import main

main()
