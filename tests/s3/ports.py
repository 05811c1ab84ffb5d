"""Prints the first of five free ports for tests/s3/server, which also takes those 10,000 higher."""

import random
import socket


def free(port):
    with socket.socket() as it:
        try:
            it.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


while True:
    # Below the ports that systems give to outgoing connections.
    first = random.randrange(12000, 21000, 10)
    if all(free(first + i) and free(first + i + 10000) for i in range(5)):
        print(first)
        break
