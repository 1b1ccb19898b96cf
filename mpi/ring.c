/* A token that goes round the ranks: the time of one hop.
 *
 * Shows point-to-point messages in a ring. Rank 0 sends the token to rank 1, every rank adds one and sends it on, the
 * last one back to rank 0. Checked against laps * size, which is what the token must have come to. The time of a hop
 * is the mean over all laps but the first, in which connections are made.
 *
 *     mpicc -o ring ring.c && mpiexec -n 6 ./ring [LAPS]
 *
 * LAPS is 1 to 1000000, 100 by default. Exit codes: 0 PASSED, 1 FAILED, 2 wrong use.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

/* What a test adds to the token to show that a wrong one is told. */
#ifndef CORRUPTION
#define CORRUPTION 0
#endif

enum { DEFAULT_LAPS = 100, MOST_LAPS = 1000000, TOKEN_TAG = 1, WRONG_USE = 2 };

/* The laps asked for, or -1. */
static long laps_of(int argc, char **argv) {
    if (argc == 1)
        return DEFAULT_LAPS;
    char *end;
    long laps = strtol(argv[1], &end, 10);
    return argc > 2 || end == argv[1] || *end != '\0' || laps < 1 || laps > MOST_LAPS ? -1 : laps;
}

/* One lap of the token, seen from this rank. */
static long lap(long token, int rank, int size) {
    int right = (rank + 1) % size, left = (rank + size - 1) % size;
    MPI_Request sent;
    if (rank > 0)
        MPI_Recv(&token, 1, MPI_LONG, left, TOKEN_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    long passed = token + 1 + CORRUPTION;
    /* Not a blocking one: a ring of one rank sends to itself. */
    MPI_Isend(&passed, 1, MPI_LONG, right, TOKEN_TAG, MPI_COMM_WORLD, &sent);
    if (rank == 0)
        MPI_Recv(&token, 1, MPI_LONG, left, TOKEN_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Wait(&sent, MPI_STATUS_IGNORE);
    return token;
}

int main(int argc, char **argv) {
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    long laps = laps_of(argc, argv);
    if (laps < 0) {
        if (rank == 0)
            fprintf(stderr, "ring: LAPS is 1 to %d, got %s; correct it\n", MOST_LAPS, argv[1]);
        MPI_Finalize();
        return WRONG_USE;
    }

    long token = lap(0, rank, size);
    double began = MPI_Wtime();
    for (long done = 1; done < laps; done++)
        token = lap(token, rank, size);
    double us_per_hop = laps > 1 ? (MPI_Wtime() - began) * 1e6 / ((double)(laps - 1) * size) : 0;

    int is_right = token == laps * size;
    if (rank == 0) {
        printf("# ring [us per hop]\n");
        printf("ranks=%d laps=%ld token=%ld us_per_hop=%.3f %s\n", size, laps, token, us_per_hop,
               is_right ? "PASSED" : "FAILED");
    }
    MPI_Bcast(&is_right, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    return is_right ? EXIT_SUCCESS : EXIT_FAILURE;
}
