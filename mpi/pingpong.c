/* Latency and bandwidth between the first rank and the last: a table over sizes of messages.
 *
 * Shows blocking messages between two ranks; ranks between them wait. A message goes to the last rank and comes back;
 * half the time of that is what one way takes. For each size the round trips are made in batches and the fastest batch
 * counts, since others share the machine. Payloads are verified: beside the timed round trips the last rank sends back
 * the complement of what it got, byte by byte, and after them the message must be what it was.
 *
 *     mpicc -O2 -o pingpong pingpong.c && mpiexec -n 2 ./pingpong [--sizes BYTES,BYTES,...] [--repetitions N]
 *
 * --sizes         1 to 1073741824 bytes, 20 sizes at most; by default eleven from 1 B to 4 MiB
 * --repetitions   round trips of a batch, 1 to 1000000; by default 1000 for short messages and fewer for long ones
 *
 * The lines of the table are: bytes, microseconds one way, MB/s (10^6 bytes a second).
 * Exit codes: 0 PASSED, 1 FAILED, 2 wrong use, which one rank is too.
 */
#define _POSIX_C_SOURCE 200809L
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a test adds to each byte that comes back to show that a wrong one is told. */
#ifndef CORRUPTION
#define CORRUPTION 0
#endif

enum { MOST_SIZES = 20, BATCHES = 5, WARM_UPS = 10, DATA_TAG = 1, CHECK_TAG = 2, WRONG_USE = 2 };
enum { MOST_BYTES = 1 << 30, MOST_REPETITIONS = 1000000, MOST_BYTES_OF_A_BATCH = 1 << 26 };

struct options {
    int sizes[MOST_SIZES];
    int count;
    int repetitions; /* 0: as many as go with the size */
};

static const struct options DEFAULTS = {
    {1, 8, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304},
    11,
    0,
};

/* The sizes in a list with commas; how many, or 0 where it is none. */
static int read_sizes(const char *text, int *sizes) {
    int count = 0;
    for (;;) {
        char *end;
        long bytes = strtol(text, &end, 10);
        if (end == text || bytes < 1 || bytes > MOST_BYTES || count == MOST_SIZES)
            return 0;
        sizes[count++] = (int)bytes;
        if (*end == '\0')
            return count;
        if (*end != ',')
            return 0;
        text = end + 1;
    }
}

/* What is wrong with the arguments, or NULL. */
static const char *read_options(int argc, char **argv, struct options *options) {
    *options = DEFAULTS;
    for (int index = 1; index < argc; index += 2) {
        if (index + 1 == argc)
            return "every option has a value";
        if (strcmp(argv[index], "--sizes") == 0) {
            options->count = read_sizes(argv[index + 1], options->sizes);
            if (options->count == 0)
                return "--sizes: 1 to 20 numbers of bytes from 1 to 1073741824, with commas between them";
        } else if (strcmp(argv[index], "--repetitions") == 0) {
            char *end;
            long repetitions = strtol(argv[index + 1], &end, 10);
            if (*end != '\0' || repetitions < 1 || repetitions > MOST_REPETITIONS)
                return "--repetitions: 1 to 1000000";
            options->repetitions = (int)repetitions;
        } else {
            return "options are --sizes and --repetitions";
        }
    }
    return NULL;
}

/* Repetitions of one size: a batch of short messages is worth timing, one of long messages takes no minutes. */
static int repetitions_for(const struct options *options, int bytes) {
    if (options->repetitions > 0)
        return options->repetitions;
    int most = MOST_BYTES_OF_A_BATCH / bytes;
    return most > 1000 ? 1000 : most < 2 ? 2 : most;
}

static void bounce(unsigned char *data, int bytes, int repetitions, int is_first, int partner) {
    for (int done = 0; done < repetitions; done++) {
        if (is_first)
            MPI_Send(data, bytes, MPI_BYTE, partner, DATA_TAG, MPI_COMM_WORLD);
        MPI_Recv(data, bytes, MPI_BYTE, partner, DATA_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (!is_first)
            MPI_Send(data, bytes, MPI_BYTE, partner, DATA_TAG, MPI_COMM_WORLD);
    }
}

static unsigned char pattern(int index, int bytes) {
    return (unsigned char)(index * 31 + bytes * 7 + index / 256);
}

/* How many bytes of the message are not the pattern, or its complement. */
static long wrong_bytes(const unsigned char *data, int bytes, unsigned char complement) {
    long wrong = 0;
    for (int index = 0; index < bytes; index++)
        wrong += data[index] != (unsigned char)(pattern(index, bytes) ^ complement);
    return wrong;
}

/* On the first rank: bytes that came back wrong from a rank that was to send their complement. */
static long checked_exchange(unsigned char *data, int bytes, int is_first, int partner) {
    if (is_first) {
        MPI_Send(data, bytes, MPI_BYTE, partner, CHECK_TAG, MPI_COMM_WORLD);
        MPI_Recv(data, bytes, MPI_BYTE, partner, CHECK_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        return wrong_bytes(data, bytes, 0xff);
    }
    MPI_Recv(data, bytes, MPI_BYTE, partner, CHECK_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (int index = 0; index < bytes; index++)
        data[index] = (unsigned char)((data[index] ^ 0xff) + CORRUPTION);
    MPI_Send(data, bytes, MPI_BYTE, partner, CHECK_TAG, MPI_COMM_WORLD);
    return 0;
}

/* Microseconds one way; adds the bytes that were wrong. */
static double measured(unsigned char *data, int bytes, int repetitions, int is_first, int partner, long *wrong) {
    double fastest = 0;
    for (int index = 0; index < bytes; index++)
        data[index] = pattern(index, bytes);
    bounce(data, bytes, repetitions < WARM_UPS ? repetitions : WARM_UPS, is_first, partner);
    for (int batch = 0; batch < BATCHES; batch++) {
        double began = MPI_Wtime();
        bounce(data, bytes, repetitions, is_first, partner);
        double us = (MPI_Wtime() - began) * 1e6 / repetitions / 2;
        fastest = batch == 0 || us < fastest ? us : fastest;
    }
    *wrong += wrong_bytes(data, bytes, 0);
    *wrong += checked_exchange(data, bytes, is_first, partner);
    return fastest;
}

static void print_heading(int last) {
    char other[MPI_MAX_PROCESSOR_NAME], own[MPI_MAX_PROCESSOR_NAME];
    int length;
    MPI_Get_processor_name(own, &length);
    MPI_Recv(other, sizeof other, MPI_CHAR, last, CHECK_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    printf("between rank 0 on %s and rank %d on %s\n# pingpong [bytes, us one way, MB/s]\n", own, last, other);
}

static long table(const struct options *options, unsigned char *data, int is_first, int partner) {
    double shortest_us = 0, largest_mb_per_s = 0;
    long wrong = 0;
    for (int index = 0; index < options->count; index++) {
        int bytes = options->sizes[index];
        double us = measured(data, bytes, repetitions_for(options, bytes), is_first, partner, &wrong);
        double mb_per_s = bytes / us;
        shortest_us = index == 0 || us < shortest_us ? us : shortest_us;
        largest_mb_per_s = mb_per_s > largest_mb_per_s ? mb_per_s : largest_mb_per_s;
        if (is_first)
            printf("%d %.3f %.3f\n", bytes, us, mb_per_s);
    }
    long all_wrong = wrong;
    MPI_Sendrecv(&wrong, 1, MPI_LONG, partner, CHECK_TAG, &all_wrong, 1, MPI_LONG, partner, CHECK_TAG, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    wrong += all_wrong;
    if (is_first)
        printf("latency_us=%.3f bandwidth_mb_per_s=%.3f wrong_bytes=%ld %s\n", shortest_us, largest_mb_per_s, wrong,
               wrong == 0 ? "PASSED" : "FAILED");
    return wrong;
}

int main(int argc, char **argv) {
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    struct options options;
    const char *rule = size < 2 ? "2 ranks at least" : read_options(argc, argv, &options);
    if (rule != NULL) {
        if (rank == 0 && size < 2)
            fprintf(stderr, "pingpong: %s, got 1; start it with mpiexec -n 2\n", rule);
        else if (rank == 0)
            fprintf(stderr, "pingpong: %s, got %s; correct it\n", rule, argv[argc - 1]);
        MPI_Finalize();
        return WRONG_USE;
    }

    long wrong = 0;
    if (rank == 0 || rank == size - 1) {
        int longest = 1;
        for (int index = 0; index < options.count; index++)
            longest = options.sizes[index] > longest ? options.sizes[index] : longest;
        unsigned char *data = malloc((size_t)longest);
        if (data == NULL) {
            fprintf(stderr, "pingpong: rank %d needs %d bytes, got none; give smaller --sizes\n", rank, longest);
            MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
            /* MPICH's may return before the launcher has ended this process. */
            _exit(EXIT_FAILURE);
        }
        if (rank == 0) {
            print_heading(size - 1);
        } else {
            char own[MPI_MAX_PROCESSOR_NAME] = "";
            int length;
            MPI_Get_processor_name(own, &length);
            MPI_Send(own, sizeof own, MPI_CHAR, 0, CHECK_TAG, MPI_COMM_WORLD);
        }
        wrong = table(&options, data, rank == 0, rank == 0 ? size - 1 : 0);
        free(data);
    }
    MPI_Bcast(&wrong, 1, MPI_LONG, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
