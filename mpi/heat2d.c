/* The heat equation on a square plate: explicit steps on a grid, rows divided among ranks, halos exchanged.
 *
 * Shows a halo exchange and a gather of unequal shares. The plate is n by n points inside of edges that are kept at 0;
 * it begins as a sum of two modes, sin(pi x) sin(pi y) + sin(2 pi x) sin(3 pi y) / 2. The modes are eigenvectors of
 * the discrete scheme, so after any number of steps the field must be theirs, each decayed by its own factor: that
 * closed form is checked always. Where that takes no more than about a second, as with the defaults, rank 0 also
 * computes the whole plate by itself; both fields must agree, and the line has their largest difference.
 *
 *     mpicc -O2 -o heat2d heat2d.c -lm && mpiexec -n 6 ./heat2d [--n N] [--steps N] [--bands N]
 *
 * --n       points along an edge, 1 to 20000 and at least one row for each rank; by default 64
 * --steps   time steps, 0 to 1000000; by default 200
 * --bands   write the field to results/band-0.csv ... band-(N-1).csv, each the next rows of it, 1 to n; none by default
 *
 * Exit codes: 0 PASSED, 1 FAILED, 2 wrong use.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What a test adds to one point of the field to show that a wrong one is told. */
#ifndef CORRUPTION
#define CORRUPTION 0
#endif

#define PI 3.14159265358979323846

enum { MOST_N = 20000, MOST_STEPS = 1000000, UP_TAG = 1, DOWN_TAG = 2, WRONG_USE = 2 };

/* Time step by the square of the distance of points; above 1/4 the scheme is not stable. */
static const double RATIO = 0.2;
static const double TOLERANCE = 1e-10;
static const double MOST_SERIAL_UPDATES = 2e8;

struct options {
    int n, steps, bands;
};

/* What this rank has: its rows, below and above them one row of its neighbours, beside them the edges. */
struct share {
    int n, first_row, rows;
    double *field, *next;
};

_Noreturn static void fail(const char *what) {
    fprintf(stderr, "heat2d: %s: %s; free it and try again\n", what, strerror(errno));
    /* A launcher that is told of an abort may end before it has passed on what it was just told. */
    nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    /* MPICH's may return before the launcher has ended this process. */
    _exit(EXIT_FAILURE);
}

static double *zeros(size_t count) {
    double *values = calloc(count, sizeof *values);
    if (values == NULL)
        fail("memory for the plate");
    return values;
}

/* What is wrong with the arguments, or NULL. */
static const char *read_options(int argc, char **argv, int size, struct options *options) {
    *options = (struct options){64, 200, 0};
    for (int index = 1; index < argc; index += 2) {
        char *end = NULL;
        long value = index + 1 < argc ? strtol(argv[index + 1], &end, 10) : -1;
        if (end == NULL || *end != '\0' || end == argv[index + 1])
            return "every option has a number";
        if (strcmp(argv[index], "--n") == 0 && value >= 1 && value <= MOST_N)
            options->n = (int)value;
        else if (strcmp(argv[index], "--steps") == 0 && value >= 0 && value <= MOST_STEPS)
            options->steps = (int)value;
        else if (strcmp(argv[index], "--bands") == 0 && value >= 1 && value <= MOST_N)
            options->bands = (int)value;
        else
            return "--n is 1 to 20000, --steps 0 to 1000000, --bands 1 to n";
    }
    if (options->bands > options->n)
        return "a band has a row at least: --bands is 1 to n";
    return options->n < size ? "a rank has a row at least: --n is the number of ranks or more" : NULL;
}

/* Rows before part `part`, of `parts` as equal as can be. */
static int rows_before(int n, int part, int parts) {
    return (int)((long)n * part / parts);
}

static double beginning(int n, int row, int column) {
    double y = (row + 1) * PI / (n + 1), x = (column + 1) * PI / (n + 1);
    return sin(x) * sin(y) + 0.5 * sin(2 * x) * sin(3 * y);
}

static struct share make_share(int n, int rank, int size) {
    int first_row = rows_before(n, rank, size), rows = rows_before(n, rank + 1, size) - first_row;
    size_t width = (size_t)n + 2;
    struct share share = {n, first_row, rows, NULL, NULL};
    share.field = zeros(width * ((size_t)rows + 2));
    share.next = zeros(width * ((size_t)rows + 2));
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < n; column++)
            share.field[((size_t)row + 1) * width + (size_t)column + 1] = beginning(n, first_row + row, column);
    return share;
}

static void step(struct share *share) {
    size_t width = (size_t)share->n + 2;
    for (int row = 1; row <= share->rows; row++) {
        const double *here = share->field + (size_t)row * width;
        const double *above = here - width, *below = here + width;
        double *out = share->next + (size_t)row * width;
        for (int column = 1; column <= share->n; column++)
            out[column] = here[column] + RATIO * (above[column] + below[column] + here[column - 1] + here[column + 1] -
                                                  4 * here[column]);
    }
    double *field = share->field;
    share->field = share->next;
    share->next = field;
}

/* Give the neighbours this share's outer rows and take theirs. */
static void exchange_halos(struct share *share, int rank, int size) {
    int width = share->n + 2;
    int up = rank > 0 ? rank - 1 : MPI_PROC_NULL, down = rank < size - 1 ? rank + 1 : MPI_PROC_NULL;
    double *first = share->field + width, *last = share->field + (size_t)share->rows * (size_t)width;
    MPI_Sendrecv(first, width, MPI_DOUBLE, up, UP_TAG, last + width, width, MPI_DOUBLE, down, UP_TAG, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    MPI_Sendrecv(last, width, MPI_DOUBLE, down, DOWN_TAG, share->field, width, MPI_DOUBLE, up, DOWN_TAG, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
}

/* By how much a mode shrinks in one step. */
static double decay(int n, int waves_x, int waves_y) {
    double x = sin(waves_x * PI / (2 * (n + 1))), y = sin(waves_y * PI / (2 * (n + 1)));
    return 1 - 4 * RATIO * (x * x + y * y);
}

/* The larger of an error and a difference; one that is no number is the largest of all. */
static double larger(double error, double difference) {
    return isnan(difference) ? HUGE_VAL : fmax(error, fabs(difference));
}

/* The largest difference of this share from the closed form. */
static double closed_form_error(const struct share *share, int steps) {
    int n = share->n;
    double first = pow(decay(n, 1, 1), steps), second = pow(decay(n, 2, 3), steps), error = 0;
    for (int row = 0; row < share->rows; row++) {
        double y = (share->first_row + row + 1) * PI / (n + 1);
        for (int column = 0; column < n; column++) {
            double x = (column + 1) * PI / (n + 1);
            double expected = first * sin(x) * sin(y) + second * 0.5 * sin(2 * x) * sin(3 * y);
            double value = share->field[((size_t)row + 1) * ((size_t)n + 2) + (size_t)column + 1];
            error = larger(error, value - expected);
        }
    }
    return error;
}

/* The whole plate on rank 0, edges left out; NULL elsewhere. */
static double *gathered(const struct share *share, int rank, int size) {
    int n = share->n, *counts = NULL, *offsets = NULL;
    double *plate = NULL;
    /* In units of rows, so that no plate is too large to be counted. */
    MPI_Datatype row, row_inside;
    MPI_Type_contiguous(n, MPI_DOUBLE, &row);
    MPI_Type_commit(&row);
    MPI_Type_create_resized(row, 0, (MPI_Aint)((size_t)(n + 2) * sizeof(double)), &row_inside);
    MPI_Type_commit(&row_inside);
    if (rank == 0) {
        plate = zeros((size_t)n * (size_t)n);
        counts = malloc(2 * (size_t)size * sizeof *counts);
        if (counts == NULL)
            fail("memory for the ranks' rows");
        offsets = counts + size;
        for (int other = 0; other < size; other++) {
            offsets[other] = rows_before(n, other, size);
            counts[other] = rows_before(n, other + 1, size) - offsets[other];
        }
    }
    MPI_Gatherv(share->field + n + 3, share->rows, row_inside, plate, counts, offsets, row, 0, MPI_COMM_WORLD);
    MPI_Type_free(&row_inside);
    MPI_Type_free(&row);
    free(counts);
    return plate;
}

/* The largest difference of the plate from one that this rank computes alone. */
static double serial_error(const double *plate, int n, int steps) {
    struct share whole = make_share(n, 0, 1);
    double error = 0;
    for (int done = 0; done < steps; done++)
        step(&whole);
    for (int row = 0; row < n; row++)
        for (int column = 0; column < n; column++) {
            double value = whole.field[((size_t)row + 1) * ((size_t)n + 2) + (size_t)column + 1];
            error = larger(error, plate[(size_t)row * (size_t)n + (size_t)column] - value);
        }
    free(whole.field);
    free(whole.next);
    return error;
}

/* Row for row with commas, and so many digits that reading gives the same numbers. */
static void write_bands(const double *plate, int n, int bands) {
    char name[64];
    if (mkdir("results", 0777) != 0 && errno != EEXIST)
        fail("results");
    for (int band = 0; band < bands; band++) {
        snprintf(name, sizeof name, "results/band-%d.csv", band);
        FILE *file = fopen(name, "w");
        if (file == NULL)
            fail(name);
        for (int row = rows_before(n, band, bands); row < rows_before(n, band + 1, bands); row++)
            for (int column = 0; column < n; column++)
                fprintf(file, "%.17g%c", plate[(size_t)row * (size_t)n + (size_t)column], column < n - 1 ? ',' : '\n');
        int is_written = !ferror(file);
        if (fclose(file) != 0 || !is_written)
            fail(name);
    }
}

int main(int argc, char **argv) {
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    struct options options;
    const char *rule = read_options(argc, argv, size, &options);
    if (rule != NULL) {
        if (rank == 0)
            fprintf(stderr, "heat2d: %s, got %s with %d ranks; correct it\n", rule, argv[argc - 1], size);
        MPI_Finalize();
        return WRONG_USE;
    }

    struct share share = make_share(options.n, rank, size);
    double began = MPI_Wtime();
    for (int done = 0; done < options.steps; done++) {
        exchange_halos(&share, rank, size);
        step(&share);
    }
    double seconds = MPI_Wtime() - began;
    if (rank == size - 1)
        share.field[(size_t)options.n + 3] += CORRUPTION;

    double own_error = closed_form_error(&share, options.steps), error = 0;
    MPI_Reduce(&own_error, &error, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    double *plate = gathered(&share, rank, size);
    int is_right = 0;
    if (rank == 0) {
        int is_serial = (double)options.n * options.n * options.steps <= MOST_SERIAL_UPDATES;
        double difference = is_serial ? serial_error(plate, options.n, options.steps) : 0;
        is_right = error <= TOLERANCE && difference <= TOLERANCE;
        if (options.bands > 0)
            write_bands(plate, options.n, options.bands);
        printf("# heat2d [largest error by the closed form, difference from the serial run, s]\n");
        printf("ranks=%d n=%d steps=%d error=%.3e ", size, options.n, options.steps, error);
        if (is_serial)
            printf("difference=%.3e ", difference);
        printf("seconds=%.6f %s\n", seconds, is_right ? "PASSED" : "FAILED");
    }
    free(plate);
    free(share.field);
    free(share.next);
    MPI_Bcast(&is_right, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    return is_right ? EXIT_SUCCESS : EXIT_FAILURE;
}
