/* What ranks do in the tests of nodes that are reached over ssh: ranks.c hello | steps SECONDS | end RANK CODE. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int hello(int rank, int size) {
    int sum = 0;
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    const char *node = getenv("AWS_BATCH_JOB_NODE_INDEX");
    printf("rank %d of %d on %s, sum %d\n", rank, size, node == NULL ? "no node" : node, sum);
    return sum == size * (size - 1) / 2 ? 0 : 1;
}

static int steps(int rank, double seconds) {
    const double started = MPI_Wtime();
    int is_over = 0;
    for (int step = 0; !is_over; step++) {
        /* Rank 0's clock decides for all. */
        is_over = rank == 0 && MPI_Wtime() - started > seconds;
        MPI_Bcast(&is_over, 1, MPI_INT, 0, MPI_COMM_WORLD);
        MPI_Barrier(MPI_COMM_WORLD);
        if (rank == 0 && step == 0) {
            printf("stepping\n");
            fflush(stdout);
        }
        usleep(20000);
    }
    return 0;
}

int main(int argc, char **argv) {
    int rank, size, result = 2;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc == 2 && strcmp(argv[1], "hello") == 0)
        result = hello(rank, size);
    else if (argc == 3 && strcmp(argv[1], "steps") == 0)
        result = steps(rank, atof(argv[2]));
    else if (argc == 4 && strcmp(argv[1], "end") == 0)
        result = rank == atoi(argv[2]) ? atoi(argv[3]) : 0;
    MPI_Finalize();
    return result;
}
