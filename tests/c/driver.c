/* The conformance driver in C: one command a line on stdin, one line of JSON for each on stdout.
 *
 *     open <path> <options>                        {"ok":{}}
 *     call <actor> <operation> <request>           {"ok":<answer>} or {"error":<error>}
 *     admit <account> <user or -> <count> <options>   {"ok":<decision>}
 *     check <account> <user> <permission>          {"ok":{"allowed":true}}
 *     close                                        {"ok":{}}
 *
 * The words of a line are parted by tabs. Prepared handles are kept from their first use until the next `open`, so a
 * scenario also shows that they see every change. A check is asked both ways, which must agree; an
 * admission charges, so it goes through the handle and by ids in turn. */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>

#include "common.h"

#define WORDS_MAX 5

typedef struct prepared {
    char *key;
    tenantry_access access;
    tenantry_sender sender;
} prepared;

static tenantry_store store;
static prepared *handles;
static size_t handle_count;
static size_t admissions;

static void print(const char *member, const char *json)
{
    printf("{\"%s\":%s}\n", member, json);
}

static void print_status(int32_t status)
{
    buffer json = {NULL, 0};
    append(&json, "{\"code\":\"%s\",\"number\":%" PRId32 ",\"class\":\"%s\",\"retry\":\"%s\"",
           tenantry_error_name(status), status, tenantry_error_class(status), tenantry_error_retry(status));
    append(&json, ",\"http_status\":%" PRId32 ",\"smtp_reply\":\"%s\",\"message\":",
           tenantry_error_http_status(status), tenantry_error_smtp_reply(status));
    append_string(&json, tenantry_error_sentence(status));
    append(&json, "}");
    print("error", json.data);
    free(json.data);
}

static void print_text(int32_t status, tenantry_text *text)
{
    if (text->data != NULL && strlen(text->data) != text->len) fail("a NUL inside an answer");
    print(status == TENANTRY_OK ? "ok" : "error", text->data == NULL ? "{}" : text->data);
    tenantry_text_free(text);
}

/* The handles that belong to these words, all zero when they are new. */
static prepared *handles_of(char *const words[4])
{
    buffer key = {NULL, 0};
    append(&key, "%s\t%s\t%s", words[0], words[1], words[2]);
    if (words[3] != NULL) append(&key, "\t%s", words[3]);
    for (size_t i = 0; i < handle_count; i++) {
        if (strcmp(handles[i].key, key.data) == 0) {
            free(key.data);
            return &handles[i];
        }
    }
    prepared *more = realloc(handles, (handle_count + 1) * sizeof *handles);
    if (more == NULL) fail("no memory");
    handles = more;
    handles[handle_count] = (prepared){key.data, {0}, {0}};
    return &handles[handle_count++];
}

/* Frees all handles: what is still open is closed. */
static void end(void)
{
    for (size_t i = 0; i < handle_count; i++) {
        tenantry_access_free(handles[i].access);
        tenantry_sender_free(handles[i].sender);
        free(handles[i].key);
    }
    free(handles);
    handles = NULL;
    handle_count = 0;
    tenantry_free(store);
    store.id = 0;
}

static void do_open(char *const words[])
{
    if (store.id != 0) end();
    tenantry_text error;
    int32_t status = tenantry_open(words[1], strlen(words[1]), words[2], strlen(words[2]), &store, &error);
    print_text(status, &error);
}

static void do_call(char *const words[])
{
    tenantry_text answer;
    int32_t status = tenantry_call(store, words[1], strlen(words[1]), words[2], strlen(words[2]), words[3],
                                   strlen(words[3]), &answer);
    print_text(status, &answer);
}

static void do_admit(char *const words[])
{
    const char *account = words[1];
    const char *user = strcmp(words[2], "-") == 0 ? NULL : words[2];
    size_t user_len = user == NULL ? 0 : strlen(user);
    char *end;
    uint64_t count = strtoull(words[3], &end, 10);
    if (*end != '\0' || words[3][0] == '-') fail("`%s` is not a count", words[3]);

    tenantry_decision decision = TENANTRY_DECISION_INIT;
    int32_t status = TENANTRY_OK;
    if (words[4][0] != '\0' || admissions++ % 2 == 0) {
        char *key[4] = {words[1], words[2], words[4], NULL};
        prepared *handle = handles_of(key);
        if (handle->sender.id == 0)
            status = tenantry_sender_prepare(store, account, strlen(account), user, user_len, words[4],
                                             strlen(words[4]), &handle->sender);
        if (status == TENANTRY_OK) status = tenantry_sender_admit(handle->sender, count, &decision);
    } else {
        status = tenantry_admit(store, account, strlen(account), user, user_len, count, &decision);
    }
    if (status != TENANTRY_OK) {
        print_status(status);
        return;
    }
    buffer json = {NULL, 0};
    append_decision(&json, &decision);
    print("ok", json.data);
    free(json.data);
}

static void do_check(char *const words[])
{
    const char *account = words[1], *user = words[2], *permission = words[3];
    bool by_ids = false, by_handle = false;
    int32_t status = tenantry_allowed(store, account, strlen(account), user, strlen(user), permission,
                                      strlen(permission), &by_ids);

    prepared *handle = handles_of(words);
    int32_t prepared_status = TENANTRY_OK;
    if (handle->access.id == 0)
        prepared_status = tenantry_access_prepare(store, account, strlen(account), user, strlen(user), permission,
                                                  strlen(permission), &handle->access);
    if (prepared_status == TENANTRY_OK) prepared_status = tenantry_access_allowed(handle->access, &by_handle);

    if (status != prepared_status || by_ids != by_handle)
        fail("check %s %s %s: by ids %" PRId32 " %d, prepared %" PRId32 " %d", account, user, permission, status,
             by_ids, prepared_status, by_handle);
    if (status != TENANTRY_OK)
        print_status(status);
    else
        print("ok", by_ids ? "{\"allowed\":true}" : "{\"allowed\":false}");
}

static void do_close(void)
{
    int32_t status = tenantry_close(store);
    if (status != TENANTRY_OK)
        print_status(status);
    else
        print("ok", "{}");
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    while ((len = getline(&line, &size, stdin)) >= 0) {
        if (len > 0 && line[len - 1] == '\n') line[len - 1] = '\0';
        char *words[WORDS_MAX] = {NULL};
        size_t count = 0;
        for (char *rest = line; rest != NULL; count++) {
            if (count == WORDS_MAX) fail("too many words: %s", line);
            words[count] = rest;
            rest = strchr(rest, '\t');
            if (rest != NULL) *rest++ = '\0';
        }
        if (strcmp(words[0], "open") == 0 && count == 3) do_open(words);
        else if (strcmp(words[0], "call") == 0 && count == 4) do_call(words);
        else if (strcmp(words[0], "admit") == 0 && count == 5) do_admit(words);
        else if (strcmp(words[0], "check") == 0 && count == 4) do_check(words);
        else if (strcmp(words[0], "close") == 0 && count == 1) do_close();
        else fail("not a command with its words: %s (%zu)", words[0], count);
        if (fflush(stdout) != 0) fail("nobody reads the answers");
    }
    free(line);
    if (store.id != 0) end();
    return 0;
}
