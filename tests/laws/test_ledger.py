"""Laws of the ledger: every proof verifies, and every change of a log is found."""

from hashlib import sha256

from hypothesis import assume, given
from hypothesis import strategies as st

from loadgen.ledger.check import check
from loadgen.ledger.merkle import Frontier, Tree, consistency_holds, inclusion_holds
from loadgen.ledger.note import Checkpoint

LINES = st.lists(st.binary(max_size=6), min_size=1, max_size=40)
ALL_SIZES = 34


def definition(leaves: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word by word."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + definition(leaves[:k]) + definition(leaves[k:])).digest()


def grown(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


@given(LINES)
def test_both_trees_are_the_definition_at_every_size(leaves: list[bytes]) -> None:
    tree, frontier = grown(leaves), Frontier()
    for size, leaf in enumerate(leaves, start=1):
        frontier.append(leaf)
        assert frontier.root() == tree.root(size) == definition(leaves[:size])


def test_every_proof_between_every_pair_of_sizes_verifies_and_serves_nothing_else() -> None:
    leaves = [bytes([n]) for n in range(ALL_SIZES)]
    tree = grown(leaves)
    roots = [tree.root(size) for size in range(ALL_SIZES + 1)]
    for second in range(ALL_SIZES + 1):
        for index in range(second):
            path = tree.inclusion(index, second)
            assert len(path) <= (second - 1).bit_length()
            assert inclusion_holds(leaves[index], index, second, path, roots[second])
            assert not inclusion_holds(b"other", index, second, path, roots[second])
            assert not inclusion_holds(leaves[index], index, second, path, roots[second - 1])
        for first in range(second + 1):
            path = tree.consistency(first, second)
            assert consistency_holds(first, roots[first], second, roots[second], path)
            if 0 < first < second:
                wrong = roots[first - 1]
                assert not consistency_holds(first, wrong, second, roots[second], path)
                assert not consistency_holds(first, roots[first], second, wrong, path)
                assert not consistency_holds(first, roots[first], second, roots[second], path[1:])


@given(LINES, st.data())
def test_a_proof_with_any_flipped_bit_fails(leaves: list[bytes], data: st.DataObject) -> None:
    tree, size = grown(leaves), len(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index, size)
    assume(path)
    place = data.draw(st.integers(0, len(path) - 1))
    bit = data.draw(st.integers(0, 255))
    flipped = bytearray(path[place])
    flipped[bit // 8] ^= 1 << bit % 8
    bad = [*path[:place], bytes(flipped), *path[place + 1 :]]
    assert not inclusion_holds(leaves[index], index, size, bad, tree.root(size))
    extended = [*path, path[-1]]
    assert not inclusion_holds(leaves[index], index, size, extended, tree.root(size))


def signed(leaves: list[bytes], sizes: list[int]) -> list[Checkpoint]:
    tree = grown(leaves)
    return [Checkpoint("log", size, tree.root(size)) for size in sizes]


@st.composite
def change(draw: st.DrawFn) -> tuple[list[bytes], list[bytes], list[int], int]:
    """Draw a log, the log after one change, sizes of checkpoints, and the first line changed."""
    lines = draw(LINES)
    sizes = sorted(draw(st.sets(st.integers(1, len(lines)), max_size=4)) | {len(lines)})
    place = draw(st.integers(0, len(lines) - 1))
    kind = draw(st.sampled_from(["bit", "drop", "insert", "swap", "truncate", "double"]))
    after = list(lines)
    if kind == "bit":
        assume(lines[place])
        bit = draw(st.integers(0, 8 * len(lines[place]) - 1))
        flipped = bytearray(lines[place])
        flipped[bit // 8] ^= 1 << bit % 8
        after[place] = bytes(flipped)
    elif kind == "drop":
        del after[place]
    elif kind == "insert":
        after.insert(place, draw(st.binary(max_size=6)))
    elif kind == "double":
        after.insert(place, lines[place])
    elif kind == "swap":
        other = draw(st.integers(0, len(lines) - 1))
        after[place], after[other] = after[other], after[place]
    else:
        del after[place:]
    assume(after[: len(lines)] != lines)  # a line put in at the end changes nothing signed
    first = next(
        (n for n, (a, b) in enumerate(zip(after, lines, strict=False)) if a != b), len(after)
    )
    return lines, after, sizes, first + 1


@given(change())
def test_every_change_is_found_and_lies_in_the_lines_that_are_named(
    made: tuple[list[bytes], list[bytes], list[int], int],
) -> None:
    lines, after, sizes, first_line = made
    assert check(lines, signed(lines, sizes)).ok
    verdict = check(after, signed(lines, sizes))
    assert not verdict.ok
    broken = verdict.broken
    assert broken is not None
    assert broken.last_line is not None
    assert broken.first_line <= first_line <= broken.last_line
    # the first checkpoint that covers the change, and no earlier one
    assert broken.size == next(size for size in sizes if size >= first_line)
    assert verdict.covered == max((size for size in sizes if size < first_line), default=0)


@given(LINES, LINES)
def test_lines_after_the_last_checkpoint_are_counted_and_not_vouched_for(
    lines: list[bytes], more: list[bytes]
) -> None:
    verdict = check([*lines, *more], signed(lines, [len(lines)]))
    assert verdict.ok
    assert (verdict.lines, verdict.covered) == (len(lines) + len(more), len(lines))
