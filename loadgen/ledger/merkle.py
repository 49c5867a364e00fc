"""Merkle trees and their proofs, as RFC 9162 §2.1 builds them over SHA-256.

The hash of a leaf is SHA-256(0x00 ‖ data), of a node SHA-256(0x01 ‖ left ‖ right), of an empty
tree SHA-256 of nothing. Of n > 1 leaves the first k stand on the left, k the largest power of two
below n, so that a tree is made of perfect subtrees which never change again: what proofs stand on.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf (§2.1.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node (§2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def _left(leaves: int) -> int:
    """Return how many of at least two leaves stand on the left: the largest power of two below."""
    return 1 << ((leaves - 1).bit_length() - 1)


class Frontier:
    """A growing tree of which only the roots of its perfect subtrees are kept: O(log n) memory.

    An append costs two hashes in the mean, a root at most log₂ n.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        """number of leaves"""
        self._peaks: list[bytes] = []

    def append(self, data: bytes) -> None:
        """Add a leaf."""
        found, rest = sha256(b"\x00" + data).digest(), self.size
        while rest & 1:
            found = sha256(b"\x01" + self._peaks.pop() + found).digest()
            rest >>= 1
        self._peaks.append(found)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of all leaves (§2.1.1)."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            found = node_hash(peak, found)
        return found


class Tree:
    """A tree with every perfect subtree in memory (64 bytes a leaf): what proofs are made of."""

    def __init__(self) -> None:
        self._levels: list[bytearray] = [bytearray()]
        """level k: the roots of subtrees of 2^k leaves, from the left"""

    @property
    def size(self) -> int:
        """Return the number of leaves."""
        return len(self._levels[0]) // HASH_BYTES

    def append(self, data: bytes) -> None:
        """Add a leaf."""
        found, place, level = leaf_hash(data), self.size, 0
        while True:
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += found
            if not place & 1:
                return
            found = node_hash(self._at(level, place - 1), found)
            place, level = place >> 1, level + 1

    def _at(self, level: int, place: int) -> bytes:
        return bytes(self._levels[level][place * HASH_BYTES : (place + 1) * HASH_BYTES])

    def _range(self, low: int, high: int) -> bytes:
        """Return the root over leaves low … high − 1, a subtree of some tree."""
        leaves = high - low
        if leaves & (leaves - 1) == 0:
            return self._at(leaves.bit_length() - 1, low // leaves)
        middle = low + _left(leaves)
        return node_hash(self._range(low, middle), self._range(middle, high))

    def root(self, size: int) -> bytes:
        """Return the root of the first ``size`` leaves; raises ValueError when there are fewer."""
        if not 0 <= size <= self.size:
            raise ValueError(f"size {size} of a tree of {self.size}")
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion proof of leaf ``index`` in the tree of ``size`` leaves (§2.1.3.1).

        Raises:
            ValueError: not 0 ≤ index < size ≤ all.
        """
        if not 0 <= index < size <= self.size:
            raise ValueError(f"leaf {index} of {size} in a tree of {self.size}")
        path, low, high = [], 0, size
        while high - low > 1:
            middle = low + _left(high - low)
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Return the proof that the tree of ``first`` leaves is the beginning of ``second``'s.

        §2.1.4.1; empty where nothing is to be proved (first is 0 or second).

        Raises:
            ValueError: not 0 ≤ first ≤ second ≤ all.
        """
        if not 0 <= first <= second <= self.size:
            raise ValueError(f"sizes {first} and {second} in a tree of {self.size}")
        if first in (0, second):
            return []
        path, low, high = [], 0, second
        while high != first:
            middle = low + _left(high - low)
            if first <= middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        if low > 0:
            path.append(self._range(low, high))
        return path[::-1]


def inclusion_holds(data: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Return whether a proof shows that ``data`` is leaf ``index`` of a tree (§2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf_hash(data)
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def consistency_holds(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether a proof shows that one tree begins with another (§2.1.4.2)."""
    if not 0 <= first <= second:
        return False
    if first in (0, second):
        same = first_root == (second_root if first == second else EMPTY_ROOT)
        return same and not path
    hashes = list(path) if first & (first - 1) else [first_root, *path]
    if not hashes:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root
