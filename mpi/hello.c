/* Hello from every rank, a number that passes from the first rank to the last, and a sum.
 *
 * Shows point-to-point messages and a reduction. Every rank says its processor, rank and size; a number starts at
 * rank 0 and grows by one at each rank that it comes to; the ranks' numbers are summed on rank 0. Checked against
 * what the number must be at every rank, and against the sum 0 + 1 + ... + (size - 1).
 *
 *     mpicc -o hello hello.c && mpiexec -n 6 ./hello
 *
 * To see what becomes of a program that fails, one rank can be told to do so between the two:
 *
 *     --abort-rank R        rank R calls MPI_Abort with 3
 *     --exit-rank R CODE    rank R leaves with CODE and without MPI_Finalize
 *     --hang-rank R         rank R never goes on, so that nobody does
 *
 * Exit codes: 0 PASSED, 1 FAILED, 2 wrong use.
 */
#define _POSIX_C_SOURCE 200809L
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a test adds to the number on its way to show that a wrong one is told. */
#ifndef CORRUPTION
#define CORRUPTION 0
#endif

enum { FIRST_NUMBER = 42, NUMBER_TAG = 1, ABORT_CODE = 3, WRONG_USE = 2 };

enum failure { NONE, ABORT, LEAVE, HANG };

struct options {
    enum failure failure;
    int rank;
    int code;
};

/* The text as a whole number from 0 to `last`, else -1. */
static int number(const char *text, int last) {
    char *end;
    long value = strtol(text, &end, 10);
    return *text == '\0' || *end != '\0' || value < 0 || value > last ? -1 : (int)value;
}

/* What is wrong with which of the arguments, or NULL. */
static const char *read_options(int argc, char **argv, int size, struct options *options, const char **got) {
    *options = (struct options){NONE, -1, 0};
    if (argc == 1)
        return NULL;
    *got = argv[1];
    if (strcmp(argv[1], "--abort-rank") == 0 && argc == 3)
        options->failure = ABORT;
    else if (strcmp(argv[1], "--hang-rank") == 0 && argc == 3)
        options->failure = HANG;
    else if (strcmp(argv[1], "--exit-rank") == 0 && argc == 4)
        options->failure = LEAVE;
    else
        return "--abort-rank R, --exit-rank R CODE, --hang-rank R, or nothing";
    *got = argv[2];
    options->rank = number(argv[2], size - 1);
    if (options->rank < 0)
        return "R is a rank of this run";
    if (options->failure == LEAVE) {
        *got = argv[3];
        options->code = number(argv[3], 255);
        if (options->code < 0)
            return "CODE is 0 to 255";
    }
    return NULL;
}

static void fail_as_told(const struct options *options, int rank) {
    if (options->rank != rank)
        return;
    /* Its last words are to be seen, whatever becomes of the buffer. */
    fflush(stdout);
    switch (options->failure) {
    case ABORT:
        MPI_Abort(MPI_COMM_WORLD, ABORT_CODE);
        /* MPICH's may return before the launcher has ended this process. */
        _exit(ABORT_CODE);
    case LEAVE:
        _exit(options->code);
    case HANG:
        for (;;)
            sleep(1);
    case NONE:
        break;
    }
}

/* The number as it comes to this rank, which has passed it on. */
static int passed_number(int rank, int size) {
    int value = FIRST_NUMBER;
    if (rank > 0) {
        MPI_Recv(&value, 1, MPI_INT, rank - 1, NUMBER_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        value += 1 + CORRUPTION;
    }
    if (rank < size - 1)
        MPI_Send(&value, 1, MPI_INT, rank + 1, NUMBER_TAG, MPI_COMM_WORLD);
    return value;
}

int main(int argc, char **argv) {
    int rank, size, length;
    char processor[MPI_MAX_PROCESSOR_NAME];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);

    struct options options;
    const char *got = "", *rule = read_options(argc, argv, size, &options, &got);
    if (rule != NULL) {
        if (rank == 0)
            fprintf(stderr, "hello: %s, got %s with %d ranks; correct it\n", rule, got, size);
        MPI_Finalize();
        return WRONG_USE;
    }

    MPI_Get_processor_name(processor, &length);
    printf("hello from processor %s, rank %d of %d\n", processor, rank, size);
    fail_as_told(&options, rank);

    int value = passed_number(rank, size);
    printf("rank %d has the number %d\n", rank, value);
    int is_wrong = value != FIRST_NUMBER + rank;
    int wrong = 0, sum = 0;
    MPI_Reduce(&rank, &sum, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    MPI_Allreduce(&is_wrong, &wrong, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0)
        wrong += sum != size * (size - 1) / 2;
    MPI_Bcast(&wrong, 1, MPI_INT, 0, MPI_COMM_WORLD);
    /* So that the result is the last line, where the launcher keeps the order among ranks. */
    fflush(stdout);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        printf("# hello [sum of the ranks, ranks whose number is wrong]\n");
        printf("ranks=%d sum=%d wrong=%d %s\n", size, sum, wrong, wrong == 0 ? "PASSED" : "FAILED");
    }
    MPI_Finalize();
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
