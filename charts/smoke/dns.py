"""Names of Services in the cluster's DNS, and queries to a given DNS server."""

import socket
import struct

from .check import Failed


def resolve_services(names):
    failures = []
    for name in names:
        try:
            socket.getaddrinfo(name, None)
        except OSError as error:
            failures.append(f"{name}: {error}")
            if error.errno == socket.EAI_AGAIN:
                # The DNS server did not respond; each further name would take as long.
                break
    if failures:
        raise Failed("; ".join(failures))
    return f"{len(names)} names"


def query(server, name, transport, timeout):
    """Asks `server`, as HOST:PORT, for the A records of a name, over "UDP" or "TCP"."""
    host, _, port = server.rpartition(":")
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    packet = struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
    try:
        family = socket.getaddrinfo(host, int(port), type=kind)[0][0]
        with socket.socket(family, kind) as client:
            client.settimeout(timeout)
            client.connect((host, int(port)))
            client.sendall(packet if transport == "UDP" else struct.pack(">H", len(packet)) + packet)
            header = client.recv(4096) if transport == "UDP" else client.makefile("rb").read(2 + 12)[2:]
        _, flags, _, answers = struct.unpack(">HHHH", header[:8])
    except (OSError, struct.error) as error:
        raise Failed(f"{name} over {transport} from {server}: {error}") from None
    if flags & 15 or not answers:
        raise Failed(f"{name} over {transport} returned code {flags & 15} and {answers} records")
