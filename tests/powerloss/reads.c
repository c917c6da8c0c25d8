/*
 * Reads that fail, as an LD_PRELOAD library for Linux.
 *
 * TENANTRY_READS_STORE   folder whose files are watched (absolute, without links)
 * TENANTRY_READS_FAIL    the number of the read that fails, from 1; 0 (default) for none
 * TENANTRY_READS_HOW     `eio` (default): the error EIO; `short`: half of what was asked for;
 *                        `none`: as if the file ended there
 * TENANTRY_READS_COUNT   file into which the number of reads is written when the process ends
 *
 * All reads of the process of the store's files are counted in the order in which they come, whichever thread makes
 * them. One fails, and those after it work: so does a disk that is asked again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char store[PATH_MAX];
static long failing;
static char how;
static atomic_long reads;

static int inside(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    size_t length = strlen(store);
    path[n < 0 ? 0 : n] = 0;
    return length && n > 0 && strncmp(path, store, length) == 0 && (path[length] == '/' || path[length] == 0);
}

__attribute__((constructor)) static void start(void)
{
    const char *s = getenv("TENANTRY_READS_STORE"), *f = getenv("TENANTRY_READS_FAIL"), *h = getenv("TENANTRY_READS_HOW");
    failing = f ? atol(f) : 0;
    how = h ? *h : 'e';
    snprintf(store, sizeof store, "%s", s ? s : "");
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("TENANTRY_READS_COUNT");
    FILE *file = path ? fopen(path, "we") : NULL;
    if (file) {
        fprintf(file, "%ld\n", atomic_load(&reads));
        fclose(file);
    }
}

/* How much of `n` bytes is read now: all but once; less than 0 for an error. */
static ssize_t allowed(int fd, size_t n)
{
    if (!inside(fd) || atomic_fetch_add(&reads, 1) + 1 != failing)
        return (ssize_t)n;
    if (how == 's')
        return (ssize_t)(n > 1 ? n / 2 : n);
    if (how == 'n')
        return 0;
    errno = EIO;
    return -1;
}

ssize_t read(int fd, void *b, size_t n)
{
    ssize_t most = allowed(fd, n);
    return most > 0 || n == 0 ? syscall(SYS_read, fd, b, (size_t)most) : most;
}

ssize_t pread(int fd, void *b, size_t n, off_t at)
{
    ssize_t most = allowed(fd, n);
    return most > 0 || n == 0 ? syscall(SYS_pread64, fd, b, (size_t)most, at) : most;
}

ssize_t pread64(int fd, void *b, size_t n, off64_t at) { return pread(fd, b, n, at); }
