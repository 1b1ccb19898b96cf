"""Pi by Monte Carlo: the share of random points of the unit square that lie in the quarter of a circle.

Shows mpi4py: a broadcast of what to do, and reductions whose results every rank has. Every rank draws its share of the
points from a generator of its own, seeded with its rank, so a run can be repeated. Checked in two ways: every point was
drawn once, and the estimate is within five standard errors of pi (4 sqrt(p (1 - p) / points), where p is pi / 4).

    mpiexec -n 6 python3 montecarlo_pi.py [POINTS]

POINTS is 1000 to 10^9, 200000 by default. Exit codes: 0 PASSED, 1 FAILED, 2 wrong use.
"""

from __future__ import annotations

import math
import random
import sys

from mpi4py import MPI

DEFAULT_POINTS, FEWEST_POINTS, MOST_POINTS = 200_000, 1000, 1_000_000_000
SEED = 20_000
"""Of rank 0; the others' follow."""

CORRUPTION = 0
"""What a test adds to the hits of each rank to show that a wrong estimate is told."""


def points_asked_for(arguments: list[str]) -> int:
    """How many points to draw; 0 where the arguments do not say."""
    if not arguments:
        return DEFAULT_POINTS
    text = arguments[0]
    points = int(text) if len(arguments) == 1 and text.isascii() and text.isdigit() else 0
    return points if FEWEST_POINTS <= points <= MOST_POINTS else 0


def hits_among(points: int, seed: int) -> int:
    """How many of so many random points lie in the circle."""
    draw = random.Random(seed).random  # noqa: S311 - a simulation, not a secret
    return sum(draw() ** 2 + draw() ** 2 <= 1.0 for _ in range(points))


def main() -> int:
    """Run on every rank; the exit code."""
    world = MPI.COMM_WORLD
    rank, size = world.Get_rank(), world.Get_size()
    points = world.bcast(points_asked_for(sys.argv[1:]) if rank == 0 else None, root=0)
    if not points:
        if rank == 0:
            got = " ".join(sys.argv[1:])
            sys.stderr.write(f"montecarlo_pi: POINTS is {FEWEST_POINTS} to {MOST_POINTS}, got {got!r}; correct it\n")
        return 2
    own = points // size + (rank < points % size)
    drawn = world.allreduce(own)
    estimate = 4 * world.allreduce(hits_among(own, SEED + rank) + CORRUPTION) / drawn
    error, standard_error = abs(estimate - math.pi), 4 * math.sqrt(math.pi / 4 * (1 - math.pi / 4) / points)
    is_right = drawn == points and error <= 5 * standard_error
    if rank == 0:
        sys.stdout.write("# montecarlo_pi [error, standard error]\n")
        sys.stdout.write(
            f"ranks={size} points={drawn} pi={estimate:.9f} error={error:.3e} standard_error={standard_error:.3e} "
            f"{'PASSED' if is_right else 'FAILED'}\n"
        )
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
