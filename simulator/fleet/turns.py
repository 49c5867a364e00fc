"""Issuer and agents in turns, for agents that may ask again at any instant after an answer.

Batches of answers rest on a lookahead: no answer causes a request sooner than so much after it.
Where there is none (a document for every request, agents that restart), a batch holds the answers
of one instant, and handing each of them to Python and back would cost a hundred times its work.
Here the same two kernels take turns in one compiled loop, in one thread.
"""

import numpy as np
from numba import types

from simulator.fleet.issuer import serve
from simulator.fleet.layout import ASKED, BATCH, BATCHES, ENTRY, FLEET, LANE, LANES
from simulator.fleet.memory import entry, table
from simulator.fleet.restarts import take_any_note


@entry(types.int64(types.uint64, types.float64))
def take_turns(place: np.uint64, to_s: float) -> int:
    """Execute everything that touches the issuer before ``to_s``.

    Returns 1 when it is done, 0 when what agents noted must be collected first.
    """
    fleet = table(place, 1, FLEET)[0]
    lane = table(fleet.lanes, LANES, LANE)[LANES - 1]
    batch = table(fleet.batches, BATCHES, BATCH)[0]
    answers = table(batch.entries, fleet.batch_capacity, ENTRY)
    noted = 0
    while noted < fleet.batch_capacity:
        done = serve(place, 0, to_s)
        for position in range(batch.count):
            noted += take_any_note(fleet, lane, answers, position)
        if batch.count > 0:
            batch.stage = ASKED
        elif done:
            return 1
    return 0
