"""For all tests."""

import os

# Tests of several processes measure on this host, one at a time.
os.environ.setdefault("NOBUCO_WAIT_FOR_HOST", "300")
