"""Bridges keep the address that they have: python -m containers.steady

A bridge takes on the lowest address of its ports, so that it may change as a container comes or goes; whoever has the old
one in mind then speaks to nobody for half a minute, its name server included. On most machines udev pins it; a network
namespace has no udev.
"""

import json
import subprocess
import time

OFTEN = 0.1  # seconds


def main():
    pinned = set()
    while True:
        said = subprocess.run(["ip", "-json", "link", "show", "type", "bridge"], capture_output=True, text=True).stdout
        for link in json.loads(said or "[]"):
            known = (link.get("ifindex"), link.get("ifname"))
            if link.get("address") and known not in pinned:
                done = subprocess.run(["ip", "link", "set", "dev", link["ifname"], "address", link["address"]], capture_output=True)
                if done.returncode == 0:
                    pinned.add(known)
        time.sleep(OFTEN)


if __name__ == "__main__":
    main()
