/* S18: what is left of secrets in the memory of the process when they were used and the store is closed. This program keeps
 * them masked, shows them to the library, wipes its own copies, and then looks for them everywhere that it can write to. */
#define _DEFAULT_SOURCE

#include <fcntl.h>
#include <unistd.h>

#include "common.h"

#define MASK 0x55

/* A text that is not in memory as such until it is shown, and not after it was wiped. */
typedef struct secret {
    unsigned char masked[160];
    size_t len;
} secret;

static secret hidden(const char *text)
{
    secret made = {{0}, strlen(text)};
    if (made.len > sizeof made.masked) fail("too long");
    for (size_t i = 0; i < made.len; i++) made.masked[i] = (unsigned char)text[i] ^ MASK;
    return made;
}

/* A number as text, made here so that it is no constant of the program. */
static secret password(unsigned seed)
{
    secret made = {{0}, 40};
    for (size_t i = 0; i < made.len; i++) {
        seed = seed * 1103515245u + 12345u;
        made.masked[i] = (unsigned char)('a' + (seed >> 16) % 26) ^ MASK;
    }
    return made;
}

static void wipe(void *data, size_t len)
{
    explicit_bzero(data, len);
}

/* Runs an operation whose request holds secrets, each for one `%` of the format; the request is wiped. */
static int32_t call(tenantry_store store, const char *actor, const char *operation, const char *format, const secret *const *secrets,
                    tenantry_text *answer)
{
    static char request[2048];
    size_t at = 0;
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            request[at++] = *format;
            continue;
        }
        for (size_t i = 0; i < (*secrets)->len; i++) request[at++] = (char)((*secrets)->masked[i] ^ MASK);
        secrets++;
    }
    int32_t status = tenantry_call(store, actor, strlen(actor), operation, strlen(operation), request, at, answer);
    wipe(request, sizeof request);
    return status;
}

/* The value of a member, taken out of an answer that is then given back. */
static secret taken(tenantry_text *answer, const char *member)
{
    const char *start = strstr(answer->data, member);
    if (start == NULL) fail("no %s in the answer", member);
    start += strlen(member);
    const char *end = strchr(start, '"');
    char text[161];
    size_t len = (size_t)(end - start);
    if (len >= sizeof text) fail("a long token");
    memcpy(text, start, len);
    text[len] = '\0';
    secret made = hidden(text);
    wipe(text, sizeof text);
    tenantry_text_free(answer);
    return made;
}

static bool is_at(const unsigned char *place, const secret *of, size_t from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((place[i] ^ MASK) != of->masked[from + i]) return false;
    return true;
}

/* How often the end of a secret, which no id and no prefix is part of, stands in what this process can write to. */
static unsigned found(const secret *of, const char *what)
{
    const size_t len = 24, from = of->len - len;
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    if (maps == NULL || memory < 0) fail("the memory cannot be read");
    static unsigned char page[1 << 16];
    unsigned times = 0;
    char line[512];
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) != 3 || mode[0] != 'r' || mode[1] != 'w') continue;
        for (unsigned long at = start; at < end; at += sizeof page - len) {
            /* Not the buffer that is looked through. */
            if (at + sizeof page > (unsigned long)page && at < (unsigned long)page + sizeof page) continue;
            size_t wanted = end - at < sizeof page ? end - at : sizeof page;
            ssize_t got = pread(memory, page, wanted, (off_t)at);
            if (got < (ssize_t)len) break;
            for (size_t i = 0; i + len <= (size_t)got; i++)
                if (is_at(page + i, of, from, len)) {
                    fprintf(stderr, "%s is at %lx in %s", what, at + i, line);
                    times++;
                }
        }
        wipe(page, sizeof page);
    }
    fclose(maps);
    close(memory);
    return times;
}

int main(void)
{
    char folder[] = "secrets_test.XXXXXX";
    if (mkdtemp(folder) == NULL) fail("no folder");
    buffer path = {NULL, 0};
    append(&path, "%s/store", folder);
    tenantry_store store = must_open(path.data, "{}");
    set_up(store, "{}");
    const secret first = password(7), second = password(8), wrong = password(9);
    tenantry_text answer;

#define EXPECT_STATUS(expected, expression) \
    do { \
        int32_t status = expression; \
        if (status != (expected)) fail("line %d: %s", __LINE__, tenantry_error_name(status)); \
    } while (0)

    /* The test sees what is there. */
    char *left = malloc(64);
    for (size_t i = 0; i < first.len; i++) left[i] = (char)(first.masked[i] ^ MASK);
    if (found(&first, "the control") != 1) fail("what is in memory is not found");
    wipe(left, 64);
    free(left);

    EXPECT_STATUS(TENANTRY_OK, call(store, "", "passwords.set", "{\"user\":\"ann\",\"password\":\"%\"}", (const secret *[]){&first}, &answer));
    tenantry_text_free(&answer);
    EXPECT_STATUS(TENANTRY_LOGIN_REFUSED, call(store, "", "sessions.create", "{\"email\":\"ann@acme.example\",\"password\":\"%\"}",
                                               (const secret *[]){&wrong}, &answer));
    tenantry_text_free(&answer);
    EXPECT_STATUS(TENANTRY_OK, call(store, "", "sessions.create", "{\"email\":\"ann@acme.example\",\"password\":\"%\"}",
                                    (const secret *[]){&first}, &answer));
    const secret token = taken(&answer, "\"token\":\"");
    EXPECT_STATUS(TENANTRY_OK, call(store, "", "sessions.check", "{\"token\":\"%\"}", (const secret *[]){&token}, &answer));
    tenantry_text_free(&answer);
    EXPECT_STATUS(TENANTRY_OK, call(store, "", "sessions.renew", "{\"token\":\"%\",\"password\":\"%\"}", (const secret *[]){&token, &first}, &answer));
    const secret renewed = taken(&answer, "\"token\":\"");
    EXPECT_STATUS(TENANTRY_OK, call(store, "", "passwords.change", "{\"user\":\"ann\",\"old_password\":\"%\",\"new_password\":\"%\"}",
                                    (const secret *[]){&first, &second}, &answer));
    tenantry_text_free(&answer);
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, call(store, "", "passwords.set", "{\"user\":\"ann\",\"password\":[\"%\"]}", (const secret *[]){&wrong}, &answer));
    tenantry_text_free(&answer);
    EXPECT_STATUS(TENANTRY_OK, tenantry_close(store));
    tenantry_free(store);

    unsigned times = found(&first, "the first password") + found(&second, "the second password") + found(&wrong, "the wrong password")
                     + found(&token, "the token") + found(&renewed, "the renewed token");
    free(path.data);
    if (times != 0) fail("secrets are left in memory: %u times", times);
    puts("ok");
    return 0;
}
