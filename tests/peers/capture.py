"""Every UDP datagram of an address on loopback, a line each: SOURCE DESTINATION PAYLOAD (hex). Ends when stdin does.

    capture.py ADDRESS

Needs the right to open a packet socket, as root has it, or whoever made the network it runs in; exits with 3 without it.
"""

import select
import socket
import sys

ETH_P_IP = 0x0800
OUTGOING = 4
wanted = socket.inet_aton(sys.argv[1])
try:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
except PermissionError:
    sys.exit(3)
tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
print("ready", flush=True)
while True:
    if 0 in (readable := select.select([0, tap], [], [])[0]) or tap not in readable:
        break
    packet, (_, _, kind, *_) = tap.recvfrom(65535)
    head = (packet[0] & 15) * 4
    if kind == OUTGOING or packet[9] != socket.IPPROTO_UDP or wanted not in (packet[12:16], packet[16:20]):
        continue
    ports = [int.from_bytes(packet[head + at : head + at + 2], "big") for at in (0, 2)]
    ends = [f"{socket.inet_ntoa(packet[at : at + 4])}:{port}" for at, port in zip((12, 16), ports)]
    print(*ends, packet[head + 8 :].hex(), flush=True)
