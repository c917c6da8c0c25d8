/* What happens to stores is told to the function of `tenantry_set_log`: by a thread of the library, in a forked child too, and
 * not after another was named. */
#define _DEFAULT_SOURCE

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define EXPECT(condition)                                                                 \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "line %d: " #condition "\n%s", __LINE__, told.text);          \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

/* What was told, a line each. The library calls one at a time, and `tenantry_set_log` returns after the last. */
static struct {
    int count;
    pthread_t thread;
    char text[16384];
} told;

static void take(void *context, int32_t level, const char *target, const char *message, const char *fields)
{
    size_t used = strlen(told.text);
    snprintf(told.text + used, sizeof told.text - used, "%s %d %s: %s %s\n", (const char *)context, (int)level, target, message, fields);
    told.thread = pthread_self();
    told.count++;
}

/* It may call the library. */
static void nested(void *context, int32_t level, const char *target, const char *message, const char *fields)
{
    take(context, level, target, message, fields);
    if (told.count == 1) EXPECT(tenantry_set_log(NULL, NULL, 1) == TENANTRY_OK);
}

/* With `slow`, it hashes a password, which takes longer than a millisecond on every machine. */
static void use(const char *path, const char *options, bool slow)
{
    static const char request[] = "{\"id\":\"acme\",\"name\":\"Acme\",\"owner\":{\"user\":\"ann\",\"email\":\"ann@acme.example\"}}";
    static const char password[] = "{\"user\":\"ann\",\"password\":\"nine wild horses at noon\"}";
    tenantry_store store;
    tenantry_text text;
    EXPECT(tenantry_open(path, strlen(path), options, strlen(options), &store, &text) == TENANTRY_OK);
    EXPECT(tenantry_call(store, NULL, 0, "accounts.create", 15, request, sizeof request - 1, &text) == TENANTRY_OK);
    tenantry_text_free(&text);
    if (slow) {
        EXPECT(tenantry_call(store, NULL, 0, "passwords.set", 13, password, sizeof password - 1, &text) == TENANTRY_OK);
        tenantry_text_free(&text);
    }
    EXPECT(tenantry_close(store) == TENANTRY_OK);
    tenantry_free(store);
}

int main(void)
{
    static char first[] = "first", second[] = "second";
    for (int32_t level = -1; level < 7; level++) {
        int32_t expected = level >= 1 && level <= 4 ? TENANTRY_OK : TENANTRY_INVALID_ARGUMENT;
        EXPECT(tenantry_set_log(NULL, NULL, level) == expected);
    }
    EXPECT(tenantry_set_log(take, first, 3) == TENANTRY_OK);
    use(":memory:", "{\"slow_ms\":1}", true);
    EXPECT(tenantry_set_log(take, second, 2) == TENANTRY_OK);
    EXPECT(strstr(told.text, "first 3 tenantry.store: The store was opened. {") != NULL);
    EXPECT(strstr(told.text, "first 2 tenantry.operations: An operation was slow. {") != NULL);
    EXPECT(strstr(told.text, "\"operation\":\"passwords.set\"") != NULL);
    EXPECT(strstr(told.text, "first 3 tenantry.store: The store was closed. {") != NULL);
    EXPECT(strstr(told.text, "horses") == NULL && strchr(told.text, '@') == NULL);
    EXPECT(!pthread_equal(told.thread, pthread_self()));
    use(":memory:", "{\"slow_ms\":0}", false);
    EXPECT(tenantry_set_log(NULL, NULL, 3) == TENANTRY_OK);
    EXPECT(strstr(told.text, "second") == NULL);

    memset(&told, 0, sizeof told);
    EXPECT(tenantry_set_log(nested, first, 3) == TENANTRY_OK);
    use(":memory:", "{\"slow_ms\":0}", false);
    EXPECT(tenantry_set_log(NULL, NULL, 3) == TENANTRY_OK && told.count == 1);

    /* The thread of the parent is not in the child. */
    memset(&told, 0, sizeof told);
    EXPECT(tenantry_set_log(take, second, 3) == TENANTRY_OK);
    use(":memory:", "{\"slow_ms\":0}", false);
    int ends[2];
    EXPECT(pipe(ends) == 0);
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        told.text[0] = '\0';
        use(":memory:", "{\"slow_ms\":0}", false);
        EXPECT(tenantry_set_log(NULL, NULL, 3) == TENANTRY_OK);
        EXPECT(strstr(told.text, "second 3 tenantry.store: The store was opened. {") != NULL);
        EXPECT(strstr(told.text, "second 3 tenantry.store: The store was closed. {") != NULL);
        EXPECT(write(ends[1], "k", 1) == 1);
        /* What it has inherited is leaked here on purpose; nothing shall count it. */
        kill(getpid(), SIGKILL);
    }
    close(ends[1]);
    char verdict = 0;
    EXPECT(read(ends[0], &verdict, 1) == 1 && verdict == 'k');
    close(ends[0]);
    EXPECT(waitpid(child, NULL, 0) == child);
    EXPECT(tenantry_set_log(NULL, NULL, 3) == TENANTRY_OK);
    puts("ok");
    return 0;
}
