/* The bare loop that others are measured against: starts a program COUNT times, IN_FLIGHT at a time, waits for each.
 * usage: spawn_loop COUNT IN_FLIGHT PROGRAM     prints programs a second */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

static void start(char *program) {
    char *argv[] = {program, NULL}, *environment[] = {NULL};
    pid_t pid;
    if (posix_spawn(&pid, program, NULL, NULL, argv, environment) != 0) {
        perror(program);
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: spawn_loop COUNT IN_FLIGHT PROGRAM, got %d arguments\n", argc - 1);
        return 2;
    }
    long count = atol(argv[1]), in_flight = atol(argv[2]), started = 0, ended = 0;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (ended < count) {
        for (; started < count && started - ended < in_flight; started++)
            start(argv[3]);
        int status;
        if (wait(&status) < 0 || status != 0) {
            fprintf(stderr, "%s: exits with 0, got status %d\n", argv[3], status);
            return 1;
        }
        ended++;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.1f\n", count / ((to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec) / 1e9));
    return 0;
}
