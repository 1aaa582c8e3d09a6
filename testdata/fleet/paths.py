"""Where things live: what may be kept between runs (cache) and what belongs to one running fleet (run directory)."""

import hashlib
import os
from pathlib import Path

TESTDATA = Path(__file__).resolve().parent.parent
ROOT = TESTDATA.parent
CACHE = Path(os.environ.get("AFFIDAVIT_CACHE", TESTDATA / ".cache"))
VENV = Path(os.environ.get("AFFIDAVIT_VENV", CACHE / "venv"))
NODE = CACHE / "node"
SID = CACHE / "sid"
IS_ROOT = os.geteuid() == 0
# Two checkouts on one machine must not meet, nor two fleets of one checkout.
RUN = Path(os.environ.get("AFFIDAVIT_RUN") or f"/var/tmp/affidavit-fleet-{os.geteuid()}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}")
# What a fleet writes into the shared sid tree carries this mark.
MARK = hashlib.sha256(str(RUN).encode()).hexdigest()[:8]


def run_dir():
    """The fleet's directory, outside the checkout: servers drop to other users, who may not enter a home directory."""
    RUN.mkdir(mode=0o711, parents=True, exist_ok=True)
    if RUN.stat().st_uid != os.geteuid():
        raise SystemExit(f"{RUN} belongs to someone else; set AFFIDAVIT_RUN to a directory of your own")
    RUN.chmod(0o711)
    return RUN
