"""Frames as an attacker makes them, byte by byte, and sockets in a guest's namespace to send and see them.

A frame is `bytes` from the destination's MAC on; addresses are text.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
import time
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from types import TracebackType

from worldkit import FakeGuest

BROADCAST, ALL_NODES = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"
ARP, IP4, IP6, VLAN = 0x0806, 0x0800, 0x86DD, 0x8100
SOLICITED, OVERRIDE, ROUTER = 0x40000000, 0x20000000, 0x80000000
_CLONE_NEWNET = 0x40000000


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ether(source: str, target: str, kind: int, body: bytes) -> bytes:
    return mac(target) + mac(source) + struct.pack("!H", kind) + body


def arp(source: str, sender: tuple[str, str], asked: str, *, reply: bool = True, to: str = BROADCAST) -> bytes:
    """`sender`: the MAC and address that the message claims."""
    body = struct.pack("!HHBBH", 1, IP4, 6, 4, 2 if reply else 1) + mac(sender[0]) + ip_address(sender[1]).packed
    return ether(source, to, ARP, body + mac(to) + ip_address(asked).packed)


def option(kind: int, content: bytes) -> bytes:
    """An option of neighbour discovery; its length counts eight octets."""
    return bytes([kind, (len(content) + 2) // 8]) + content


def advert(target: str, *options: bytes, flags: int = OVERRIDE) -> bytes:
    return struct.pack("!BBHI", 136, 0, 0, flags) + IPv6Address(target).packed + b"".join(options)


def solicit(target: str, *options: bytes) -> bytes:
    return struct.pack("!BBHI", 135, 0, 0, 0) + IPv6Address(target).packed + b"".join(options)


def router_advert(source_mac: str) -> bytes:
    return struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + option(1, mac(source_mac))


def redirect(target: str, destination: str) -> bytes:
    return struct.pack("!BBHI", 137, 0, 0, 0) + IPv6Address(target).packed + IPv6Address(destination).packed


def summed(source: str, target: str, body: bytes) -> bytes:
    """The ICMPv6 message with its checksum."""
    pseudo = IPv6Address(source).packed + IPv6Address(target).packed + struct.pack("!II", len(body), 58)
    data = pseudo + body + b"\0" * (len(body) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]


def ip6(source: str, target: str, body: bytes, *, first: int = 58, hops: int = 255) -> bytes:
    """An IPv6 packet; `first` is what its body begins with (58: ICMPv6)."""
    head = struct.pack("!IHBB", 6 << 28, len(body), first, hops)
    return head + IPv6Address(source).packed + IPv6Address(target).packed + body


def extension(following: int) -> bytes:
    """A hop-by-hop or destination options header with nothing but padding."""
    return bytes([following, 0, 1, 4, 0, 0, 0, 0])


def fragment(following: int, offset: int, more: bool, identity: int = 7) -> bytes:
    return struct.pack("!BBHI", following, 0, offset & ~7 | more, identity)


def udp4(source: str, target: str, ports: tuple[int, int], content: bytes) -> bytes:
    """An IPv4 packet with a datagram (without the datagram's checksum, which is optional)."""
    datagram = struct.pack("!HHHH", *ports, 8 + len(content), 0) + content
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, 0)
    head += ip_address(source).packed + ip_address(target).packed
    total = sum(struct.unpack("!10H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:] + datagram


def udp6(source: str, target: str, ports: tuple[int, int], content: bytes) -> bytes:
    """An IPv6 packet with a datagram without a checksum: connection tracking lets that pass."""
    return ip6(source, target, struct.pack("!HHHH", *ports, 8 + len(content), 0) + content, first=17)


class Wire:
    """A raw socket on a guest's eth0."""

    def __init__(self, guest: FakeGuest) -> None:
        self._socket = _opened(guest.ns)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            self._socket.send(frame)

    def until(self, last: bytes, seconds: float = 5) -> list[bytes]:
        """What arrives until the frame `last` has come, without it. AssertionError when it does not."""
        seen: list[bytes] = []
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                data, where = self._socket.recvfrom(2000)
            except TimeoutError:
                break
            if where[2] == socket.PACKET_OUTGOING:
                continue
            if data == last:
                return seen
            seen.append(data)
        raise AssertionError(f"{last.hex()} did not arrive; {[each.hex() for each in seen]} did")


def _opened(namespace: str) -> socket.socket:
    """A socket that belongs to a namespace: made by a thread that went there and ends."""
    made: list[socket.socket] = []

    def there() -> None:
        place = os.open(Path("/run/netns") / namespace, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(place, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns to {namespace}")
        finally:
            os.close(place)
        found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        found.bind(("eth0", 3))
        made.append(found)

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    assert made, f"no socket in {namespace}"
    return made[0]


def arrived(seen: Sequence[bytes], frames: Sequence[bytes]) -> list[int]:
    """Which of the frames were seen, by number."""
    return [number for number, frame in enumerate(frames) if frame in seen]
