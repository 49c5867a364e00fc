"""Latency on the wire, from a packet capture: what the generator's own figure is held against."""

import contextlib
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadgen.bench.process import find, running, start
from scenarios.errors import ProcessError

_PCAP_NS, _PCAP_US = 0xA1B23C4D, 0xA1B2C3D4
_ETHERNET, _IPV4, _TCP = 14, 0x0800, 6


@contextlib.contextmanager
def capture(port: int, folder: Path, core: int) -> Iterator[Path]:
    """Capture the packets of a port on loopback while the block runs; yields the file.

    Args:
        port: of the server.
        folder: where the file is made.
        core: where the capture runs while nobody else wants to: the server's.

    Raises:
        ProcessError: tcpdump is missing or may not capture (it needs CAP_NET_RAW).
    """
    program = find("tcpdump")
    if program is None:
        raise ProcessError("tcpdump is not installed")
    file, log = folder / "wire.pcap", folder / "tcpdump.log"
    file.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    command = [program, "-i", "lo", "-s", "96", "-B", "65536", "-w", str(file)]
    command += ["--time-stamp-precision=nano", "tcp", "port", str(port)]
    with running(start(command, core, log, yielding=True)) as process:
        for _ in range(100):
            if process.poll() is not None:
                last = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
                raise ProcessError(f"tcpdump may not capture: {' '.join(last)}")
            if log.exists() and b"listening on" in log.read_bytes():
                break
            time.sleep(0.05)
        yield file
        time.sleep(0.3)  # what is still in the kernel's buffer


def request_times(file: Path, port: int) -> NDArray[np.float64]:
    """Return seconds from each request's packet to its answer's, for one request at a time.

    Raises:
        ProcessError: the file is no capture of IPv4 on Ethernet.
    """
    waiting: dict[int, float] = {}
    times: list[float] = []
    for at_s, frame in _packets(file.read_bytes()):
        source, target, payload = _tcp(frame)
        if not payload:
            continue
        if target == port:
            waiting.setdefault(source, at_s)
        elif source == port and target in waiting:
            times.append(at_s - waiting.pop(target))
    return np.array(times)


def _packets(data: bytes) -> Iterator[tuple[float, bytes]]:
    magic = struct.unpack_from("<I", data)[0] if len(data) >= 24 else 0
    if magic not in {_PCAP_NS, _PCAP_US}:
        raise ProcessError("tcpdump wrote no capture")
    scale = 1e-9 if magic == _PCAP_NS else 1e-6
    offset = 24
    while offset + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack_from("<IIII", data, offset)
        offset += 16
        # relative to nothing in particular: only differences are used, and doubles hold 0.1 µs
        yield seconds + fraction * scale, data[offset : offset + length]
        offset += length


def _tcp(frame: bytes) -> tuple[int, int, int]:
    """Return source port, target port and payload length, zeros for anything else."""
    if len(frame) < _ETHERNET + 40 or int.from_bytes(frame[12:14], "big") != _IPV4:
        return 0, 0, 0
    header = (frame[_ETHERNET] & 0x0F) * 4
    if frame[_ETHERNET + 9] != _TCP:
        return 0, 0, 0
    total = int.from_bytes(frame[_ETHERNET + 2 : _ETHERNET + 4], "big")
    at = _ETHERNET + header
    source, target = struct.unpack_from(">HH", frame, at)
    return source, target, total - header - (frame[at + 12] >> 4) * 4
