import socket
import struct
import threading

import pytest

from . import dns
from .check import Failed


@pytest.fixture
def server():
    """A DNS server for one query over each transport; `answer` is its code and its number of records."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    tcp = socket.create_server(udp.getsockname())
    server = type("Server", (), {"address": f"127.0.0.1:{udp.getsockname()[1]}", "answer": (0, 1), "questions": []})

    def header():
        return struct.pack(">HHHHHH", 1, 0x8180 | server.answer[0], 1, server.answer[1], 0, 0)

    def serve_udp():
        while True:
            packet, sender = udp.recvfrom(512)
            server.questions.append(packet)
            udp.sendto(header(), sender)

    def serve_tcp():
        while True:
            link, _ = tcp.accept()
            with link:
                server.questions.append(link.recv(512)[2:])
                link.sendall(struct.pack(">H", 12) + header())

    for serve in (serve_udp, serve_tcp):
        threading.Thread(target=serve, daemon=True).start()
    return server


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_query_needs_a_record(server, transport):
    dns.query(server.address, "redis.service.consul", transport, 2)
    assert b"\5redis\7service\6consul\0\0\1\0\1" in server.questions[-1]
    for answer in ((3, 0), (0, 0)):
        server.answer = answer
        with pytest.raises(Failed, match=rf"over {transport} returned code {answer[0]} and 0 records"):
            dns.query(server.address, "redis.service.consul", transport, 2)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_server_that_does_not_respond_is_named(transport):
    with pytest.raises(Failed, match=f"x.consul over {transport} from 127.0.0.1:1: "):
        dns.query("127.0.0.1:1", "x.consul", transport, 0.3)


def test_every_name_that_does_not_resolve_is_named():
    assert dns.resolve_services(["localhost", "127.0.0.1"]) == "2 names"
    with pytest.raises(Failed, match="no such name: "):
        dns.resolve_services(["localhost", "no such name"])
