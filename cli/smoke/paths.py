"""Which of the ports in SERVICE_PORTS take a connection from this pod: their numbers, as JSON, are its last words."""

import errno
import json
import os
import selectors
import socket
import time

SERVICE_PORTS = json.loads(os.environ["SERVICE_PORTS"])


def reached():
    """Two seconds for all of them at once: most clusters answer a refusal with silence."""
    waiting, found = selectors.DefaultSelector(), [set() for _ in SERVICE_PORTS]
    for number, service_port in enumerate(SERVICE_PORTS):
        for host, port in service_port["at"]:
            asked = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            asked.setblocking(False)
            if asked.connect_ex((host, port)) in (0, errno.EINPROGRESS):
                waiting.register(asked, selectors.EVENT_WRITE, (number, host))
    end = time.monotonic() + 2
    while waiting.get_map() and (left := end - time.monotonic()) > 0:
        for key, _ in waiting.select(left):
            number, host = key.data
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                found[number].add(host)
            waiting.unregister(key.fileobj)
            key.fileobj.close()
    # An edge leads to every pod behind it; one that answers is enough to break a refusal.
    return [number for number, service_port in enumerate(SERVICE_PORTS) if found[number] and (not service_port["open"] or len(found[number]) == len(service_port["at"]))]


expected = [number for number, service_port in enumerate(SERVICE_PORTS) if service_port["open"]]
if not expected:
    # A pod that reaches nothing shows that it is refused only once its network is there.
    time.sleep(3)
# Some clusters bring in a new pod's policies a little after its start.
for _ in range(5):
    answer = reached()
    if answer == expected:
        break
    time.sleep(1)
with open("/dev/termination-log", "w") as words:
    json.dump(answer, words)
