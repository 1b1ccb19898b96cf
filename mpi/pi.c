/* Pi by numerical integration: the area under 4 / (1 + x^2) from 0 to 1, by the midpoint rule.
 *
 * Shows work that is divided among ranks and a reduction. Checked against pi, within the bound of the method: with n
 * intervals the midpoint rule errs by at most max|f''| / (24 n^2), here 8 / (24 n^2), and what rounding adds is
 * bounded since every rank sums with compensation (Kahan): some units of the last place for each rank and each term.
 *
 *     mpicc -O2 -o pi pi.c && mpiexec -n 6 ./pi [INTERVALS]
 *
 * INTERVALS is 1 to 10^12, 10^6 by default. Exit codes: 0 PASSED, 1 FAILED, 2 wrong use.
 */
#include <float.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

/* What a test adds to the result to show that a wrong one is told. */
#ifndef CORRUPTION
#define CORRUPTION 0
#endif

#define PI 3.14159265358979323846

enum { WRONG_USE = 2 };

static const long long DEFAULT_INTERVALS = 1000000, MOST_INTERVALS = 1000000000000;

/* The intervals asked for, or -1. */
static long long intervals_of(int argc, char **argv) {
    if (argc == 1)
        return DEFAULT_INTERVALS;
    char *end;
    long long count = strtoll(argv[1], &end, 10);
    return argc > 2 || end == argv[1] || *end != '\0' || count < 1 || count > MOST_INTERVALS ? -1 : count;
}

/* This rank's share of the area: every size-th interval. */
static double share_of_area(long long intervals, int rank, int size) {
    double width = 1.0 / (double)intervals, sum = 0, lost = 0;
    for (long long index = rank; index < intervals; index += size) {
        double x = ((double)index + 0.5) * width;
        double term = 4.0 / (1.0 + x * x) - lost;
        double next = sum + term;
        lost = (next - sum) - term;
        sum = next;
    }
    return sum * width;
}

int main(int argc, char **argv) {
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    long long intervals = intervals_of(argc, argv);
    if (intervals < 0) {
        if (rank == 0)
            fprintf(stderr, "pi: INTERVALS is 1 to %lld, got %s; correct it\n", MOST_INTERVALS, argv[1]);
        MPI_Finalize();
        return WRONG_USE;
    }

    double began = MPI_Wtime();
    double share = share_of_area(intervals, rank, size), area = 0;
    MPI_Reduce(&share, &area, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    double seconds = MPI_Wtime() - began;

    int is_right = 0;
    if (rank == 0) {
        area += CORRUPTION;
        double error = fabs(area - PI);
        double bound = 8.0 / 24.0 / ((double)intervals * (double)intervals) + (size + 16) * 4 * DBL_EPSILON;
        is_right = error <= bound;
        printf("# pi [error, its bound, s]\n");
        printf("ranks=%d intervals=%lld pi=%.15f error=%.3e bound=%.3e seconds=%.6f %s\n", size, intervals, area, error,
               bound, seconds, is_right ? "PASSED" : "FAILED");
    }
    MPI_Bcast(&is_right, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    return is_right ? EXIT_SUCCESS : EXIT_FAILURE;
}
