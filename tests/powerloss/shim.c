/*
 * What a power loss would leave of a folder, as an LD_PRELOAD library for Linux.
 *
 * TENANTRY_POWER_STORE   folder that is watched (absolute, without links; the "disk")
 * TENANTRY_POWER_IMAGE   folder for the image, outside of it
 * TENANTRY_POWER_KEEP    per cent of the un-synced pages, names and truncations that reach the disk all the same, in
 *                        any order, as they do on a real machine; 0 (default) is the strict model
 * TENANTRY_POWER_PAGE    bytes that reach the disk together: 4096 (default), or 512 for a disk that tears pages
 * TENANTRY_POWER_SEED    decides which
 * TENANTRY_POWER_IGNORE_FDATASYNC=1   fdatasync answers 0 and makes nothing durable: what sled does by itself
 *
 * The model: the contents of a file are durable from its fsync or fdatasync on, its name from an fsync of the folder
 * that holds the name. sync_file_range makes nothing durable, so it is not intercepted. All that was in the folder
 * at the start is durable.
 *
 * The image is kept by inode, so that a name and the contents behind it become durable apart from each other:
 * `<inode>` holds the durable contents of a file, `<inode>.dir` the durable names in a folder (one `<inode> <name>` a
 * line), `root` the inode of the watched folder. `tenantry_tests::crash::assemble` makes a folder of it. A mirror may be
 * half written when the process is killed inside of an fsync: so is the disk.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define LARGEST_PAGE 4096

/* `fd` is a descriptor of our own: while it is open the inode number is not given to another file. */
struct node {
    struct node *next;
    ino_t inode;
    int fd, mirror;
    off_t shrunk; /* smallest size since the last sync */
    uint8_t *dirty;
    size_t pages;
};

static char store[PATH_MAX], image[PATH_MAX];
static int ignore_fdatasync;
static unsigned keep;
static size_t page_size = LARGEST_PAGE;
static uint64_t state;
static struct node *nodes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void give_up(const char *what)
{
    dprintf(2, "power shim: %s: %s\n", what, strerror(errno));
    abort();
}

static int inside(const char *path)
{
    size_t n = strlen(store);
    return n && strncmp(path, store, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static int path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n < 0 ? 0 : n] = 0;
    return n > 0 && inside(path);
}

static int lucky(void)
{
    if (!keep)
        return 0;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % 100 < keep;
}

static struct node *node_at(const char *path)
{
    struct stat st;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return NULL; /* removed in the meantime */
    if (fstat(fd, &st))
        give_up(path);
    for (struct node *n = nodes; n; n = n->next)
        if (n->inode == st.st_ino) {
            syscall(SYS_close, fd);
            return n;
        }
    struct node *n = calloc(1, sizeof *n);
    *n = (struct node){.next = nodes, .inode = st.st_ino, .fd = fd, .mirror = -1, .shrunk = LONG_MAX};
    if (!S_ISDIR(st.st_mode)) {
        char mirror[PATH_MAX + 32];
        snprintf(mirror, sizeof mirror, "%s/%llu", image, (unsigned long long)st.st_ino);
        n->mirror = (int)syscall(SYS_openat, AT_FDCWD, mirror, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (n->mirror < 0)
            give_up(mirror);
    }
    return nodes = n;
}

static struct node *node_of(int fd)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    struct node *n = node_at(link);
    if (!n)
        give_up(link);
    return n;
}

static void copy_page(struct node *n, size_t page)
{
    char bytes[LARGEST_PAGE];
    off_t at = (off_t)(page * page_size);
    ssize_t got = pread(n->fd, bytes, page_size, at);
    if (got < 0 || syscall(SYS_pwrite64, n->mirror, bytes, (size_t)got, at) != got)
        give_up("copy");
    if (page < n->pages)
        n->dirty[page] = 0;
}

static void keep_truncation(struct node *n)
{
    struct stat st;
    if (n->shrunk == LONG_MAX)
        return;
    if (fstat(n->mirror, &st) || (n->shrunk < st.st_size && syscall(SYS_ftruncate, n->mirror, n->shrunk)))
        give_up("truncate");
    n->shrunk = LONG_MAX;
}

static void keep_contents(struct node *n)
{
    struct stat st;
    keep_truncation(n);
    for (size_t page = 0; page < n->pages; page++)
        if (n->dirty[page])
            copy_page(n, page);
    if (fstat(n->fd, &st) || syscall(SYS_ftruncate, n->mirror, st.st_size))
        give_up("size");
}

/* With `deep`, the contents and the folders below too. */
static void keep_names(const char *folder, int deep)
{
    char child[PATH_MAX + 256], temporary[PATH_MAX + 64], final[PATH_MAX + 32];
    struct node *n = node_at(folder), *c;
    DIR *dir = n ? opendir(folder) : NULL;
    if (!dir)
        return;
    snprintf(final, sizeof final, "%s/%llu.dir", image, (unsigned long long)n->inode);
    snprintf(temporary, sizeof temporary, "%s.new", final);
    FILE *list = fopen(temporary, "we");
    if (!list)
        give_up(temporary);
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(child, sizeof child, "%s/%s", folder, e->d_name);
        if (!(c = node_at(child)))
            continue;
        fprintf(list, "%llu %s\n", (unsigned long long)c->inode, e->d_name);
        if (deep && c->mirror < 0)
            keep_names(child, 1);
        struct stat st;
        if (deep && c->mirror >= 0 && !fstat(c->fd, &st))
            for (size_t page = 0; page * page_size < (size_t)st.st_size; page++)
                copy_page(c, page);
    }
    closedir(dir);
    if (fclose(list) || syscall(SYS_renameat2, AT_FDCWD, temporary, AT_FDCWD, final, 0))
        give_up(final);
}

__attribute__((constructor)) static void start(void)
{
    const char *s = getenv("TENANTRY_POWER_STORE"), *i = getenv("TENANTRY_POWER_IMAGE"), *v;
    struct stat st;
    if (!s || !i || stat(s, &st))
        return;
    char root[PATH_MAX + 8], temporary[PATH_MAX + 16];
    snprintf(image, sizeof image, "%s", i);
    snprintf(root, sizeof root, "%s/root", image);
    snprintf(temporary, sizeof temporary, "%s.new", root);
    if ((v = getenv("TENANTRY_POWER_KEEP")))
        keep = (unsigned)atoi(v);
    if ((v = getenv("TENANTRY_POWER_PAGE")))
        page_size = strcmp(v, "512") == 0 ? 512 : LARGEST_PAGE;
    state = (v = getenv("TENANTRY_POWER_SEED")) ? strtoull(v, NULL, 10) : 1;
    ignore_fdatasync = (v = getenv("TENANTRY_POWER_IGNORE_FDATASYNC")) && atoi(v);
    keep_names(s, 1);
    /* Whole or not there: the process may be killed already here. */
    FILE *f = fopen(temporary, "we");
    if (!f || fprintf(f, "%llu\n", (unsigned long long)st.st_ino) < 0 || fclose(f) ||
        syscall(SYS_renameat2, AT_FDCWD, temporary, AT_FDCWD, root, 0))
        give_up(root);
    snprintf(store, sizeof store, "%s", s); /* from here on it is watched */
}

static void wrote(int fd, off_t from, ssize_t len)
{
    char path[PATH_MAX];
    int error = errno;
    if (len > 0 && path_of(fd, path)) {
        pthread_mutex_lock(&lock);
        struct node *n = node_of(fd);
        size_t first = (size_t)from / page_size, end = ((size_t)from + (size_t)len + page_size - 1) / page_size;
        if (end > n->pages) {
            size_t pages = end * 2;
            if (!(n->dirty = realloc(n->dirty, pages)))
                give_up("memory");
            memset(n->dirty + n->pages, 0, pages - n->pages);
            n->pages = pages;
        }
        for (size_t page = first; page < end; page++) {
            n->dirty[page] = 1;
            if (lucky()) {
                copy_page(n, page);
                /* The truncation before it is kept later, and takes the page along: then it is copied again. */
                if (n->shrunk != LONG_MAX)
                    n->dirty[page] = 1;
            }
        }
        pthread_mutex_unlock(&lock);
    }
    errno = error;
}

static void shrunk(int fd, off_t size)
{
    char path[PATH_MAX];
    int error = errno;
    if (path_of(fd, path)) {
        pthread_mutex_lock(&lock);
        struct node *n = node_of(fd);
        if (size < n->shrunk)
            n->shrunk = size;
        if (lucky())
            keep_truncation(n);
        pthread_mutex_unlock(&lock);
    }
    errno = error;
}

/* A name was made, moved or removed; the folder that holds it may reach the disk by itself. */
static void renamed(int dirfd, const char *path)
{
    char absolute[PATH_MAX], folder[PATH_MAX];
    int error = errno;
    snprintf(absolute, sizeof absolute, "%s", path);
    char *slash = strrchr(absolute, '/');
    if (keep && (dirfd == AT_FDCWD || *path == '/') && slash) {
        *slash = 0;
        if (realpath(absolute, folder) && inside(folder)) {
            pthread_mutex_lock(&lock);
            if (lucky())
                keep_names(folder, 0);
            pthread_mutex_unlock(&lock);
        }
    }
    errno = error;
}

/* The mirror comes first: what is written while the real sync runs is not promised. */
static int synced(long call, int fd)
{
    char path[PATH_MAX];
    struct stat st;
    if (path_of(fd, path)) {
        if (call == SYS_fdatasync && ignore_fdatasync)
            return 0;
        pthread_mutex_lock(&lock);
        if (fstat(fd, &st))
            give_up(path);
        if (S_ISDIR(st.st_mode))
            keep_names(path, 0);
        else
            keep_contents(node_of(fd));
        pthread_mutex_unlock(&lock);
    }
    return (int)syscall(call, fd);
}

static int opened(int dirfd, const char *path, int flags, mode_t mode)
{
    struct stat st;
    int is_new = (flags & O_CREAT) && fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW);
    int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
    if (fd >= 0 && is_new)
        renamed(dirfd, path);
    if (fd >= 0 && (flags & O_TRUNC))
        shrunk(fd, 0);
    return fd;
}

#define MODE(flags, mode)                                                                                              \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }
#define AFTER(type, call, success, then)                                                                               \
    type result = (type)(call);                                                                                        \
    if (result success)                                                                                                \
        then;                                                                                                          \
    return result;

int open(const char *p, int f, ...) { MODE(f, m) return opened(AT_FDCWD, p, f, m); }
int open64(const char *p, int f, ...) { MODE(f, m) return opened(AT_FDCWD, p, f, m); }
int openat(int d, const char *p, int f, ...) { MODE(f, m) return opened(d, p, f, m); }
int openat64(int d, const char *p, int f, ...) { MODE(f, m) return opened(d, p, f, m); }
int creat(const char *p, mode_t m) { return opened(AT_FDCWD, p, O_CREAT | O_WRONLY | O_TRUNC, m); }
int creat64(const char *p, mode_t m) { return creat(p, m); }

ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { AFTER(ssize_t, syscall(SYS_pwrite64, fd, b, n, at), > 0, wrote(fd, at, result)) }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { return pwrite(fd, b, n, at); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) { AFTER(ssize_t, syscall(SYS_pwritev, fd, v, n, at, 0), > 0, wrote(fd, at, result)) }
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at) { return pwritev(fd, v, n, at); }
ssize_t write(int fd, const void *b, size_t n) { AFTER(ssize_t, syscall(SYS_write, fd, b, n), > 0, wrote(fd, lseek(fd, 0, SEEK_CUR) - result, result)) }
ssize_t writev(int fd, const struct iovec *v, int n) { AFTER(ssize_t, syscall(SYS_writev, fd, v, n), > 0, wrote(fd, lseek(fd, 0, SEEK_CUR) - result, result)) }

int ftruncate(int fd, off_t size) { AFTER(int, syscall(SYS_ftruncate, fd, size), == 0, shrunk(fd, size)) }
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int rename(const char *a, const char *b) { AFTER(int, syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 0), == 0, renamed(AT_FDCWD, b)) }
int renameat(int d, const char *a, int e, const char *b) { AFTER(int, syscall(SYS_renameat2, d, a, e, b, 0), == 0, renamed(e, b)) }
int unlink(const char *p) { AFTER(int, syscall(SYS_unlinkat, AT_FDCWD, p, 0), == 0, renamed(AT_FDCWD, p)) }
int unlinkat(int d, const char *p, int f) { AFTER(int, syscall(SYS_unlinkat, d, p, f), == 0, renamed(d, p)) }
int mkdir(const char *p, mode_t m) { AFTER(int, syscall(SYS_mkdirat, AT_FDCWD, p, m), == 0, renamed(AT_FDCWD, p)) }

int fsync(int fd) { return synced(SYS_fsync, fd); }
int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }
