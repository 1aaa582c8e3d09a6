"""A name server that knows no name, and says so at once: python -m containers.no_names ADDRESS

In the test's network namespace it stands where this machine's name servers are outside. Podman's own passes on to them
what is no container's name; where nobody answers, it waits for seconds, and whoever asked waits with it.
"""

import socket
import sys

HEADER = 12  # bytes; RFC 1035, section 4.1.1
ANSWER, NO_SUCH_NAME = 0x80, 0x83


def main():
    with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((sys.argv[1], 53))
        while True:
            question, sender = sock.recvfrom(4096)
            if len(question) >= HEADER:
                # The question comes back, without the additional records that may follow it.
                counts = question[4:6] + b"\0\0\0\0\0\0"
                end = question.index(b"\0", HEADER) + 5
                sock.sendto(question[:2] + bytes([question[2] | ANSWER, NO_SUCH_NAME]) + counts + question[HEADER:end], sender)


if __name__ == "__main__":
    main()
