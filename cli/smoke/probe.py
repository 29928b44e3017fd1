"""Tries every port in PORTS and writes the indexes of those that accept a connection, as JSON, to the termination message."""

import errno
import json
import os
import selectors
import socket
import time

PORTS = json.loads(os.environ["PORTS"])
TIMEOUT = 2  # seconds for all connections together: most clusters drop forbidden packets without an answer


def reachable_ports():
    selector, reached = selectors.DefaultSelector(), [set() for _ in PORTS]
    for index, port in enumerate(PORTS):
        for host, number in port["addresses"]:
            client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            client.setblocking(False)
            if client.connect_ex((host, number)) in (0, errno.EINPROGRESS):
                selector.register(client, selectors.EVENT_WRITE, (index, host))
    deadline = time.monotonic() + TIMEOUT
    while selector.get_map() and (left := deadline - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            index, host = key.data
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                reached[index].add(host)
            selector.unregister(key.fileobj)
            key.fileobj.close()
    # An allowed port needs a connection to every pod behind it; a forbidden one must not accept any.
    needed = [len(port["addresses"]) if port["allowed"] else 1 for port in PORTS]
    return [index for index, hosts in enumerate(reached) if hosts and len(hosts) >= needed[index]]


allowed = [index for index, port in enumerate(PORTS) if port["allowed"]]
if not allowed:
    # Wait for the pod's network: before it is up, every connection fails.
    time.sleep(3)
# Some clusters apply the policies a little after a pod's start.
for _ in range(5):
    reachable = reachable_ports()
    if reachable == allowed:
        break
    time.sleep(1)
with open("/dev/termination-log", "w") as message:
    json.dump(reachable, message)
