"""The time wheel: which request comes next.

Entries lie in buckets of time, each a chain of chunks, so that filing one is an append to a hot
cache line. When a bucket's time comes it is gathered and sorted once; whatever is filed for a time
that is already open goes to a small heap beside it. Order is by (time, record), which is
(time, agent, slot).
"""

import numpy as np

from simulator.fleet.layout import ENTRY, Entry
from simulator.fleet.memory import F8, I8, U8, Table, int64, kernel, prefetch, struct, table

BUCKETS = 4096
CHUNK = 16
"""entries in a chunk"""
CHUNKS_AHEAD = 4
"""chunks between the request for one and its use"""
LINE = 64
"""bytes of a cache line"""
CHUNK_BYTES = CHUNK * ENTRY.itemsize
BINS = 1 << 16
"""parts of a bucket that are sorted apart, at most"""
SMALL = 24
"""entries of a bin up to which insertion sort is the fastest"""


class Wheel:
    """State of the wheel; arrays by address."""

    buckets_per_s: F8
    opened: I8
    """number of the newest opened bucket, counted from t = 0"""
    waiting: I8
    """entries in buckets not yet opened"""
    ends: U8
    """int64 by bucket modulo ``BUCKETS``: position after the last entry, 0 when empty"""
    entries: U8
    """``CHUNK`` entries a chunk"""
    before: U8
    """int64 by chunk: position after the last entry of the previous chunk of its bucket"""
    chunks: I8
    free: U8
    """int64: stack of unused chunks"""
    free_count: I8
    open: U8
    """the opened bucket, sorted"""
    open_count: I8
    open_next: I8
    scratch: U8
    bins: U8
    """int64: places of the sort"""
    late: U8
    """heap of entries filed for a bucket already open"""
    late_count: I8
    capacity: I8
    """entries that ``open``, ``scratch`` and ``late`` can hold"""


WHEEL = struct(Wheel)


@kernel
def bucket_of(wheel: Wheel, t_s: float) -> int:
    """Return the number of the bucket of an instant."""
    return int64(t_s * wheel.buckets_per_s)


@kernel
def precedes(a: Entry, b: Entry) -> bool:
    """Return whether ``a`` comes before ``b``; without a branch, which nobody could foresee."""
    return bool((a.t_s < b.t_s) | ((a.t_s == b.t_s) & (a.record < b.record)))


@kernel
def put(entries: Table[Entry], i: int, t_s: float, record: int, note: int) -> None:
    """Write one entry."""
    entry = entries[i]
    entry.t_s = t_s
    entry.record = np.uint32(record)
    entry.note = np.uint32(note)


@kernel
def sift_up(heap: Table[Entry], count: int, t_s: float, record: int, note: int) -> None:
    """Add an entry to a heap of ``count`` entries."""
    i = count
    while i > 0:
        parent = (i - 1) >> 1
        above = heap[parent]
        if above.t_s < t_s or (above.t_s == t_s and above.record < record):
            break
        heap[i] = above
        i = parent
    put(heap, i, t_s, record, note)


@kernel
def sift_down(heap: Table[Entry], count: int, t_s: float, record: int, note: int) -> None:
    """Place an entry in a heap of ``count`` entries instead of the first one."""
    i = 0
    while True:
        child = 2 * i + 1
        if child >= count:
            break
        if child + 1 < count:
            child += int64(precedes(heap[child + 1], heap[child]))
        below = heap[child]
        if t_s < below.t_s or (t_s == below.t_s and record < below.record):
            break
        heap[i] = below
        i = child
    put(heap, i, t_s, record, note)


@kernel
def file(wheel: Wheel, t_s: float, record: int, note: int) -> None:
    """File an entry."""
    bucket = bucket_of(wheel, t_s)
    if bucket <= wheel.opened:
        late = table(wheel.late, wheel.capacity, ENTRY)
        sift_up(late, wheel.late_count, t_s, record, note)
        wheel.late_count += 1
        return
    ends = table(wheel.ends, BUCKETS, np.int64)
    slot = bucket & (BUCKETS - 1)
    end = ends[slot]
    if end & (CHUNK - 1) == 0:
        wheel.free_count -= 1
        chunk = table(wheel.free, wheel.chunks, np.int64)[wheel.free_count]
        table(wheel.before, wheel.chunks, np.int64)[chunk] = end
        end = chunk * CHUNK
    put(table(wheel.entries, wheel.chunks * CHUNK, ENTRY), end, t_s, record, note)
    ends[slot] = end + 1
    wheel.waiting += 1


@kernel
def _ask_for(wheel: Wheel, end: int) -> int:
    """Prefetch the chunk whose entries end at ``end``; return where those before them end."""
    if end == 0:
        return 0
    chunk = (end - 1) // CHUNK
    for byte in range(0, CHUNK_BYTES, LINE):
        prefetch(wheel.entries + np.uint64(chunk * CHUNK_BYTES + byte))
    before: Table[int] = table(wheel.before, wheel.chunks, np.int64)
    return before[chunk]


@kernel
def _gather(wheel: Wheel) -> int:
    """Move the entries of the newest opened bucket to ``scratch``; return their number."""
    ends = table(wheel.ends, BUCKETS, np.int64)
    before = table(wheel.before, wheel.chunks, np.int64)
    free = table(wheel.free, wheel.chunks, np.int64)
    entries = table(wheel.entries, wheel.chunks * CHUNK, ENTRY)
    scratch = table(wheel.scratch, wheel.capacity, ENTRY)
    slot = wheel.opened & (BUCKETS - 1)
    end = ends[slot]
    ends[slot] = 0
    count = 0
    ahead = end
    for _ in range(CHUNKS_AHEAD):
        ahead = _ask_for(wheel, ahead)
    while end > 0:
        ahead = _ask_for(wheel, ahead)
        chunk = (end - 1) // CHUNK
        for i in range(chunk * CHUNK, end):
            entry = entries[i]
            wheel.waiting -= 1
            if bucket_of(wheel, entry.t_s) == wheel.opened:
                scratch[count] = entry
                count += 1
            else:  # of a later turn of the wheel
                file(wheel, entry.t_s, int64(entry.record), int64(entry.note))
        end = before[chunk]
        free[wheel.free_count] = chunk
        wheel.free_count += 1
    return count


@kernel
def _insertion_sort(entries: Table[Entry], count: int) -> None:
    for i in range(1, count):
        t_s, record, note = entries[i].t_s, int64(entries[i].record), int64(entries[i].note)
        j = i
        while j > 0:
            left = entries[j - 1]
            if left.t_s < t_s or (left.t_s == t_s and left.record < record):
                break
            entries[j] = left
            j -= 1
        put(entries, j, t_s, record, note)


@kernel
def _bin_of(wheel: Wheel, entry: Entry, bins: int) -> int:
    """Return which of ``bins`` equal parts of the newest opened bucket an entry falls into."""
    share = entry.t_s * wheel.buckets_per_s - wheel.opened
    return min(int64(share * bins), bins - 1)


@kernel
def _sort(wheel: Wheel, count: int) -> int:
    """Sort ``scratch`` into ``open`` and return how many are there: by bin, then within each.

    A bin that holds many entries (all of a cohort, due at one instant) goes to the late heap, for
    insertion would take the square of their number.
    """
    scratch = table(wheel.scratch, wheel.capacity, ENTRY)
    opened = table(wheel.open, wheel.capacity, ENTRY)
    late = table(wheel.late, wheel.capacity, ENTRY)
    next_in = table(wheel.bins, BINS + 1, np.int64)
    bins = min(BINS, count)
    for b in range(bins + 1):
        next_in[b] = 0
    for i in range(count):
        next_in[_bin_of(wheel, scratch[i], bins) + 1] += 1
    total = 0
    for b in range(bins):
        in_bin = next_in[b + 1]
        next_in[b] = total if in_bin <= SMALL else -1
        total += in_bin if in_bin <= SMALL else 0
    for i in range(count):
        entry = scratch[i]
        b = _bin_of(wheel, entry, bins)
        if next_in[b] < 0:
            sift_up(late, wheel.late_count, entry.t_s, int64(entry.record), int64(entry.note))
            wheel.late_count += 1
        else:
            opened[next_in[b]] = entry
            next_in[b] += 1
    _insertion_sort(opened, total)
    return total


@kernel
def peek(wheel: Wheel, limit_s: float) -> float:
    """Return the time of the next entry; inf when none comes before ``limit_s``."""
    last = bucket_of(wheel, limit_s)
    while wheel.open_next == wheel.open_count and wheel.waiting > 0 and wheel.opened < last:
        wheel.opened += 1
        if table(wheel.ends, BUCKETS, np.int64)[wheel.opened & (BUCKETS - 1)] > 0:
            wheel.open_count = _sort(wheel, _gather(wheel))
            wheel.open_next = 0
    t_s = np.inf
    if wheel.open_next < wheel.open_count:
        t_s = table(wheel.open, wheel.capacity, ENTRY)[wheel.open_next].t_s
    if wheel.late_count > 0:
        t_s = min(t_s, table(wheel.late, wheel.capacity, ENTRY)[0].t_s)
    return t_s if t_s < limit_s else np.inf


@kernel
def pop(wheel: Wheel) -> tuple[float, int, int]:
    """Take the entry that ``peek`` announced: its time, record and note."""
    opened = table(wheel.open, wheel.capacity, ENTRY)
    late = table(wheel.late, wheel.capacity, ENTRY)
    i = wheel.open_next
    if wheel.late_count == 0 or (i < wheel.open_count and precedes(opened[i], late[0])):
        wheel.open_next += 1
        return opened[i].t_s, int64(opened[i].record), int64(opened[i].note)
    t_s, record, note = late[0].t_s, int64(late[0].record), int64(late[0].note)
    wheel.late_count -= 1
    tail = late[wheel.late_count]
    sift_down(late, wheel.late_count, tail.t_s, int64(tail.record), int64(tail.note))
    return t_s, record, note
