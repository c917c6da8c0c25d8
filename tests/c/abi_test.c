/* The C ABI under every bad use that it promises to survive: wrong pointers, texts that are no texts, handles that are
 * no handles, use after close, free and fork. Whatever is refused must change nothing. And the typed calls must
 * answer what the operations answer. */
#define _DEFAULT_SOURCE

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define LEN(text) (sizeof(text) - 1)
#define EXPECT(condition) \
    do { \
        if (!(condition)) fail("%s:%d: " #condition, __FILE__, __LINE__); \
    } while (0)
#define EXPECT_STATUS(expected, expression) expect_status(expected, expression, #expression, __LINE__)

static void expect_status(int32_t expected, int32_t status, const char *expression, int line)
{
    if (status != expected)
        fail("line %d: %s is %s, not %s", line, expression, tenantry_error_name(status), tenantry_error_name(expected));
}

/* The value of a text member in JSON that this library wrote. */
static bool has_member(const char *json, const char *member, const char *value)
{
    buffer wanted = {NULL, 0};
    append(&wanted, "\"%s\":\"%s\"", member, value);
    bool found = strstr(json, wanted.data) != NULL;
    free(wanted.data);
    return found;
}

static void state_hash(tenantry_store store, char hash[65])
{
    tenantry_text answer = must_call(store, "store.state_hash", "{}");
    const char *start = strstr(answer.data, "\"state_hash\":\"");
    EXPECT(start != NULL && strlen(start) > LEN("\"state_hash\":\"") + 64);
    memcpy(hash, start + LEN("\"state_hash\":\""), 64);
    hash[64] = '\0';
    tenantry_text_free(&answer);
}

/* A call that must be refused with this code, and say so in JSON. */
static void refused(int line, int32_t expected, tenantry_store store, const char *actor, size_t actor_len,
                    const char *operation, size_t operation_len, const char *request, size_t request_len)
{
    tenantry_text answer;
    memset(&answer, 0xee, sizeof answer); /* what was there is neither read nor freed */
    int32_t status = tenantry_call(store, actor, actor_len, operation, operation_len, request, request_len, &answer);
    if (status != expected)
        fail("line %d: %s, not %s: %s", line, tenantry_error_name(status), tenantry_error_name(expected), answer.data);
    EXPECT(answer.data != NULL && answer.data[answer.len] == '\0' && strlen(answer.data) == answer.len);
    EXPECT(answer.data[0] == '{' && answer.data[answer.len - 1] == '}');
    EXPECT(has_member(answer.data, "code", tenantry_error_name(expected)));
    EXPECT(has_member(answer.data, "class", tenantry_error_class(expected)));
    EXPECT(has_member(answer.data, "retry", tenantry_error_retry(expected)));
    EXPECT(has_member(answer.data, "smtp_reply", tenantry_error_smtp_reply(expected)));
    tenantry_text_free(&answer);
    EXPECT(answer.data == NULL && answer.len == 0);
    tenantry_text_free(&answer);
}

#define REFUSED(code, store, actor, operation, request) \
    refused(__LINE__, code, store, actor, LEN(actor), operation, LEN(operation), request, LEN(request))

static char *repeated(const char *text, size_t times)
{
    size_t len = strlen(text);
    char *all = malloc(len * times + 1);
    EXPECT(all != NULL);
    for (size_t i = 0; i < times; i++) memcpy(all + i * len, text, len);
    all[len * times] = '\0';
    return all;
}

static void test_errors(void)
{
    EXPECT(strcmp(tenantry_error_name(TENANTRY_OK), "ok") == 0);
    EXPECT(strcmp(tenantry_error_name(TENANTRY_QUOTA_EXCEEDED), "quota_exceeded") == 0);
    EXPECT(strcmp(tenantry_error_class(TENANTRY_QUOTA_EXCEEDED), "limit") == 0);
    EXPECT(strcmp(tenantry_error_retry(TENANTRY_QUOTA_EXCEEDED), "later") == 0);
    EXPECT(strlen(tenantry_error_sentence(TENANTRY_QUOTA_EXCEEDED)) > 10);
    EXPECT(tenantry_error_http_status(TENANTRY_OK) == 200);
    EXPECT(strcmp(tenantry_error_smtp_reply(TENANTRY_OK), "250 2.0.0") == 0);
    EXPECT(tenantry_error_http_status(TENANTRY_QUOTA_EXCEEDED) == 429);
    EXPECT(strcmp(tenantry_error_smtp_reply(TENANTRY_QUOTA_EXCEEDED), "450 4.7.1") == 0);
    EXPECT(tenantry_error_http_status(TENANTRY_STORE_FULL) == 507);
    EXPECT(strcmp(tenantry_error_smtp_reply(TENANTRY_STORE_FULL), "451 4.3.0") == 0);

    tenantry_decision decision = TENANTRY_DECISION_INIT;
    EXPECT(tenantry_decision_http_status(&decision) == 200);
    EXPECT(strcmp(tenantry_decision_smtp_reply(&decision), "250 2.0.0") == 0);
    decision.code = TENANTRY_CREDITS_EXHAUSTED;
    EXPECT(tenantry_decision_http_status(&decision) == 402);
    EXPECT(strcmp(tenantry_decision_smtp_reply(&decision), "550 5.7.1") == 0);
    decision.retry_at_ms = 1;
    EXPECT(tenantry_decision_http_status(&decision) == 429);
    EXPECT(strcmp(tenantry_decision_smtp_reply(&decision), "450 4.7.1") == 0);
    decision.code = 99999;
    EXPECT(tenantry_decision_http_status(&decision) == 500);
    decision.struct_size = 8;
    EXPECT(tenantry_decision_http_status(&decision) == 500 && tenantry_decision_http_status(NULL) == 500);
    EXPECT(strcmp(tenantry_decision_smtp_reply(&decision), "451 4.3.0") == 0);
    EXPECT(strcmp(tenantry_decision_smtp_reply(NULL), "451 4.3.0") == 0);
    const int32_t unknown[] = {-1, 99999, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        EXPECT(strcmp(tenantry_error_name(unknown[i]), "unknown") == 0);
        EXPECT(strcmp(tenantry_error_class(unknown[i]), "unknown") == 0);
        EXPECT(strcmp(tenantry_error_retry(unknown[i]), "unknown") == 0);
        EXPECT(strcmp(tenantry_error_sentence(unknown[i]), "unknown") == 0);
        EXPECT(tenantry_error_http_status(unknown[i]) == 500);
        EXPECT(strcmp(tenantry_error_smtp_reply(unknown[i]), "451 4.3.0") == 0);
    }
}

static void test_open(const char *folder)
{
    tenantry_store store = {7};
    tenantry_text error;
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_open(":memory:", 8, NULL, 0, &store, NULL));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_open(":memory:", 8, NULL, 0, NULL, &error));
    EXPECT(has_member(error.data, "code", "invalid_argument"));
    tenantry_text_free(&error);

    const struct {
        const char *path;
        size_t path_len;
        const char *options;
        size_t options_len;
    } bad[] = {
        {NULL, 0, NULL, 0},
        {"", 0, NULL, 0},
        {NULL, 3, NULL, 0},
        {"\xff\xfe", 2, NULL, 0},
        {"a\0b", 3, NULL, 0},
        {":memory:", SIZE_MAX, NULL, 0},
        {":memory:", SIZE_MAX / 2 + 1, NULL, 0},
        {":memory:", 8, NULL, 2},
        {":memory:", 8, "{\"cashe_mib\":1}", LEN("{\"cashe_mib\":1}")},
        {":memory:", 8, "{\"cache_mib\":-1}", LEN("{\"cache_mib\":-1}")},
        {":memory:", 8, "{\"cache_mib\":0}", LEN("{\"cache_mib\":0}")},
        {":memory:", 8, "{\"durability\":\"none\"}", LEN("{\"durability\":\"none\"}")},
        {":memory:", 8, "[]", 2},
        {":memory:", 8, "{", 1},
        {":memory:", 8, "{}\0", 3},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        store.id = 7;
        memset(&error, 0xee, sizeof error);
        int32_t status =
            tenantry_open(bad[i].path, bad[i].path_len, bad[i].options, bad[i].options_len, &store, &error);
        if (status != TENANTRY_INVALID_ARGUMENT) fail("open %zu is %s", i, tenantry_error_name(status));
        EXPECT(store.id == 0 && has_member(error.data, "code", "invalid_argument"));
        tenantry_text_free(&error);
    }

    buffer missing = {NULL, 0};
    append(&missing, "%s/missing", folder);
    EXPECT_STATUS(TENANTRY_STORE_MISSING, tenantry_open(missing.data, missing.len, "{\"create\":false}",
                                                        LEN("{\"create\":false}"), &store, &error));
    EXPECT(store.id == 0 && access(missing.data, F_OK) != 0);
    tenantry_text_free(&error);
    free(missing.data);

    memset(&error, 0xee, sizeof error);
    EXPECT_STATUS(TENANTRY_OK, tenantry_open(":memory:", 8, "{}", 2, &store, &error));
    EXPECT(store.id != 0 && error.data == NULL && error.len == 0);
    tenantry_text_free(&error);
    tenantry_text_free(NULL);
    tenantry_free(store);
}

static void test_bad_calls(tenantry_store store)
{
#define REQUEST "{\"id\":\"x\",\"email\":\"x@example.com\"}"
    static const char operation[] = "users.create", request[] = REQUEST;
    tenantry_text answer;
    char before[65], after[65];
    state_hash(store, before);

    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT,
                  tenantry_call(store, NULL, 0, operation, LEN(operation), request, LEN(request), NULL));
    uintptr_t crooked = (uintptr_t)&answer + 1;
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_call(store, NULL, 0, operation, LEN(operation), request,
                                                           LEN(request), (tenantry_text *)crooked));

    /* Pointers and lengths. */
    refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, NULL, 1, operation, LEN(operation), request, LEN(request));
    refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, NULL, 0, NULL, 5, request, LEN(request));
    refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, NULL, 0, operation, LEN(operation), NULL, 1);
    refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, NULL, 0, operation, LEN(operation), request, SIZE_MAX);
    refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, NULL, 0, operation, SIZE_MAX / 2 + 1, request, LEN(request));
    refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, request, SIZE_MAX, operation, LEN(operation), NULL, 0);
    refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, NULL, 0, operation, LEN(operation), NULL, 0);

    /* Names that are no operations. */
    refused(__LINE__, TENANTRY_UNKNOWN_OPERATION, store, NULL, 0, NULL, 0, request, LEN(request));
    REFUSED(TENANTRY_UNKNOWN_OPERATION, store, "", "users.creat", REQUEST);
    REFUSED(TENANTRY_UNKNOWN_OPERATION, store, "", "users.create\0", REQUEST);
    REFUSED(TENANTRY_UNKNOWN_OPERATION, store, "", "Users.Create", REQUEST);
    REFUSED(TENANTRY_UNKNOWN_OPERATION, store, "", "users.\xff\xfe", REQUEST);

    /* Requests. */
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "{\"id\":\"x\",\"email\":\"x@example.com\",\"mail\":1}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "{\"id\":\"x\",\"id\":\"x\",\"email\":\"x@example.com\"}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "{\"id\":\"x\"}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "{\"id\":5,\"email\":\"x@example.com\"}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "{\"id\":\"\",\"email\":\"x@example.com\"}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "{\"id\":\"x\xff\",\"email\":\"x@example.com\"}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "{\"id\":\"x\\ud800\",\"email\":\"x@example.com\"}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "{\"id\":\"x\\u0000\",\"email\":\"x@example.com\"}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", REQUEST "\0");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", REQUEST REQUEST);
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "\xef\xbb\xbf" REQUEST);
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "null");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "[]");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "[\"x\",\"x@example.com\"]");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "[\"system\"]", "users.create", REQUEST);
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "accounts.create",
            "{\"name\":\"X\",\"owner\":{\"email\":\"x@example.com\"},\"limits\":[5]}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "users.create", "{\"id\":\"x\"");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "sending.admit", "{\"account\":\"acme\",\"count\":-1}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "sending.admit", "{\"account\":\"acme\",\"count\":0}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "sending.admit", "{\"account\":\"acme\",\"count\":1.5}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "sending.admit", "{\"account\":\"acme\",\"count\":9007199254740992}");
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "", "sending.admit", "{\"account\":\"acme\",\"count\":\"1\"}");
    REFUSED(TENANTRY_NOT_FOUND, store, "", "sending.admit", "{\"account\":\"nobody\",\"count\":1}");

    /* Actors. */
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "{", "users.create", REQUEST);
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "{}", "users.create", REQUEST);
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "{\"kind\":\"root\"}", "users.create", REQUEST);
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "{\"kind\":\"user\",\"user\":\"ann\"}", "users.create", REQUEST);
    REFUSED(TENANTRY_INVALID_ARGUMENT, store, "{\"kind\":\"system\",\"user\":\"ann\"}", "users.create", REQUEST);
    REFUSED(TENANTRY_ACTOR_NOT_ALLOWED, store, "{\"kind\":\"user\",\"user\":\"ann\",\"account\":\"acme\"}", "users.create",
            REQUEST);

    /* Size and depth. */
    char *letters = repeated("a", 2 << 20);
    buffer large = {NULL, 0};
    append(&large, "{\"id\":\"x\",\"email\":\"x@example.com\",\"first_name\":\"%s\"}", letters);
    refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, NULL, 0, operation, LEN(operation), large.data, large.len);
    refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, large.data, large.len, operation, LEN(operation), request, LEN(request));
    refused(__LINE__, TENANTRY_UNKNOWN_OPERATION, store, NULL, 0, letters, 2 << 20, request, LEN(request));
    free(large.data);
    const char *const nests[] = {"[", "{\"a\":", "[{\"a\":"};
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++) {
        char *deep = repeated(nests[i], 100000);
        refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, NULL, 0, operation, LEN(operation), deep, strlen(deep));
        refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, deep, strlen(deep), operation, LEN(operation), request, LEN(request));
        free(deep);
    }

    /* The typed calls. */
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    tenantry_sender sender = {7};
    tenantry_access access = {7};
    bool allowed = true;
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_admit(store, "acme", 4, NULL, 0, 1, NULL));
    decision.struct_size = 0;
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_admit(store, "acme", 4, NULL, 0, 1, &decision));
    decision.struct_size = sizeof decision - 1;
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_admit(store, "acme", 4, NULL, 0, 1, &decision));
    decision.struct_size = sizeof decision;
    const struct {
        int32_t code;
        const char *account;
        size_t account_len;
        const char *user;
        size_t user_len;
    } bad[] = {
        {TENANTRY_INVALID_ARGUMENT, NULL, 0, NULL, 0},
        {TENANTRY_INVALID_ARGUMENT, "", 0, NULL, 0},
        {TENANTRY_INVALID_ARGUMENT, NULL, 4, NULL, 0},
        {TENANTRY_INVALID_ARGUMENT, "\xff", 1, NULL, 0},
        {TENANTRY_INVALID_ARGUMENT, "acme", SIZE_MAX, NULL, 0},
        {TENANTRY_NOT_FOUND, "nobody", 6, NULL, 0},
        {TENANTRY_INVALID_ARGUMENT, letters, 2 << 20, NULL, 0},
        {TENANTRY_INVALID_ARGUMENT, "acme", 4, NULL, 3},
        {TENANTRY_INVALID_ARGUMENT, "acme", 4, "", 0},
        {TENANTRY_INVALID_ARGUMENT, "acme", 4, "\xff", 1},
        {TENANTRY_INVALID_ARGUMENT, "acme", 4, letters, 2 << 20},
        {TENANTRY_INVALID_ARGUMENT, "acme", 4, "a\nb", 3},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        decision.granted = 99;
        int32_t status =
            tenantry_admit(store, bad[i].account, bad[i].account_len, bad[i].user, bad[i].user_len, 1, &decision);
        if (status != bad[i].code) fail("admit %zu is %s", i, tenantry_error_name(status));
        EXPECT(decision.granted == 0 && decision.code == status && decision.limit[0] == '\0');
        sender.id = 7;
        status = tenantry_sender_prepare(store, bad[i].account, bad[i].account_len, bad[i].user, bad[i].user_len, NULL, 0, &sender);
        if (status != bad[i].code) fail("sender %zu is %s", i, tenantry_error_name(status));
        EXPECT(sender.id == 0);

        const char *user = bad[i].user == NULL && bad[i].user_len == 0 ? "bob" : bad[i].user;
        size_t user_len = bad[i].user == NULL && bad[i].user_len == 0 ? 3 : bad[i].user_len;
        allowed = true;
        status = tenantry_allowed(store, bad[i].account, bad[i].account_len, user, user_len, "campaigns.send", 14, &allowed);
        if (status != bad[i].code) fail("allowed %zu is %s", i, tenantry_error_name(status));
        EXPECT(!allowed);
        access.id = 7;
        status = tenantry_access_prepare(store, bad[i].account, bad[i].account_len, user, user_len, "campaigns.send", 14, &access);
        if (status != bad[i].code) fail("access %zu is %s", i, tenantry_error_name(status));
        EXPECT(access.id == 0);
    }
    bool decided = true;
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_try_admit(store, "acme", 4, NULL, 0, 1, &decision, NULL));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_try_admit(store, "acme", 4, NULL, 0, 1, NULL, &decided));
    EXPECT(!decided);
    decided = true;
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_try_admit(store, "acme", 4, "\xff", 1, 1, &decision, &decided));
    EXPECT(!decided && decision.granted == 0 && decision.code == TENANTRY_INVALID_ARGUMENT);
    EXPECT_STATUS(TENANTRY_CLOSED, tenantry_sender_try_admit(sender, 1, &decision, &decided));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_try_allowed(store, "acme", 4, "bob", 3, "campaigns.send", 14, NULL, &decided));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_try_allowed(store, "acme", 4, "bob", 3, "campaigns.send", 14, &allowed, NULL));
    EXPECT_STATUS(TENANTRY_PERMISSION_UNKNOWN, tenantry_try_allowed(store, "acme", 4, "bob", 3, "campaigns.fly", 13, &allowed, &decided));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_admit(store, "acme", 4, NULL, 0, 0, &decision));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_admit(store, "acme", 4, NULL, 0, UINT64_MAX, &decision));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_allowed(store, "acme", 4, "bob", 3, "campaigns.send", 14, NULL));
    allowed = true;
    EXPECT_STATUS(TENANTRY_PERMISSION_UNKNOWN, tenantry_allowed(store, "acme", 4, "bob", 3, "campaigns.fly", 13, &allowed));
    EXPECT(!allowed);
    EXPECT_STATUS(TENANTRY_PERMISSION_UNKNOWN, tenantry_access_prepare(store, "acme", 4, "bob", 3, letters, 2 << 20, &access));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_access_prepare(store, "acme", 4, "bob", 3, "campaigns", 9, NULL));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_sender_prepare(store, "acme", 4, NULL, 0, NULL, 0, NULL));
    free(letters);

    state_hash(store, after);
    EXPECT(strcmp(before, after) == 0);
}

/* Every function answers `code` for these handles, and none of them does anything. */
static void answers(int line, int32_t code, tenantry_store store, tenantry_access access, tenantry_sender sender)
{
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    bool allowed = true;
    refused(line, code, store, NULL, 0, "store.info", 10, NULL, 0);
    refused(line, code, store, NULL, 0, "no.such", 7, NULL, 0);
    expect_status(code, tenantry_allowed(store, "acme", 4, "bob", 3, "campaigns.send", 14, &allowed), "allowed", line);
    EXPECT(!allowed);
    expect_status(code, tenantry_admit(store, "acme", 4, NULL, 0, 1, &decision), "admit", line);
    EXPECT(decision.granted == 0 && decision.code == code);
    tenantry_access other_access = {7};
    tenantry_sender other_sender = {7};
    expect_status(code, tenantry_access_prepare(store, "acme", 4, "bob", 3, "campaigns.send", 14, &other_access),
                  "access_prepare", line);
    expect_status(code, tenantry_sender_prepare(store, "acme", 4, NULL, 0, NULL, 0, &other_sender), "sender_prepare", line);
    EXPECT(other_access.id == 0 && other_sender.id == 0);
    allowed = true;
    expect_status(code, tenantry_access_allowed(access, &allowed), "access_allowed", line);
    EXPECT(!allowed);
    expect_status(code, tenantry_sender_admit(sender, 1, &decision), "sender_admit", line);
    EXPECT(decision.granted == 0 && decision.code == code);
}

static void prepare(tenantry_store store, tenantry_access *access, tenantry_sender *sender)
{
    EXPECT_STATUS(TENANTRY_OK, tenantry_access_prepare(store, "acme", 4, "bob", 3, "campaigns.send", 14, access));
    EXPECT_STATUS(TENANTRY_OK, tenantry_sender_prepare(store, "acme", 4, "bob", 3, NULL, 0, sender));
}

/* S17 */
static void test_handles(tenantry_store store)
{
    char before[65], after[65];
    state_hash(store, before);
    tenantry_access access;
    tenantry_sender sender;
    prepare(store, &access, &sender);

    /* Zero, forged, and of another kind. */
    const uint64_t forged[] = {0,           1,           2,           3,           255,       UINT32_MAX, INT64_MAX,
                               UINT64_MAX,  store.id + 1, store.id ^ (UINT64_C(1) << 40), store.id << 1, access.id, sender.id};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        tenantry_store no_store = {forged[i]};
        tenantry_access no_access = {forged[i] == access.id ? store.id : forged[i]};
        tenantry_sender no_sender = {forged[i] == sender.id ? store.id : forged[i]};
        answers(__LINE__, TENANTRY_CLOSED, no_store, no_access, no_sender);
        EXPECT_STATUS(TENANTRY_CLOSED, tenantry_close(no_store));
        tenantry_free(no_store);
        tenantry_access_free(no_access);
        tenantry_sender_free(no_sender);
    }

    /* Freed, and freed again when the slot has another tenant. */
    tenantry_access old_access = access;
    tenantry_sender old_sender = sender;
    tenantry_access_free(access);
    tenantry_sender_free(sender);
    prepare(store, &access, &sender);
    EXPECT(access.id != old_access.id && sender.id != old_sender.id);
    tenantry_access_free(old_access);
    tenantry_sender_free(old_sender);
    tenantry_store freed = must_open(":memory:", "{}");
    tenantry_free(freed);
    answers(__LINE__, TENANTRY_CLOSED, freed, old_access, old_sender);
    EXPECT_STATUS(TENANTRY_CLOSED, tenantry_close(freed));
    tenantry_free(freed);

    bool allowed = false;
    EXPECT_STATUS(TENANTRY_OK, tenantry_access_allowed(access, &allowed));
    EXPECT(allowed);
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_access_allowed(access, NULL));
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_sender_admit(sender, 1, NULL));
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_sender_admit(sender, 0, &decision));

    /* What was prepared outlives its store's handle, and says that it is closed. */
    tenantry_store other = must_open(":memory:", "{}");
    set_up(other, "{}");
    tenantry_access other_access;
    tenantry_sender other_sender;
    prepare(other, &other_access, &other_sender);
    EXPECT_STATUS(TENANTRY_OK, tenantry_close(other));
    answers(__LINE__, TENANTRY_CLOSED, other, other_access, other_sender);
    tenantry_free(other);
    answers(__LINE__, TENANTRY_CLOSED, other, other_access, other_sender);
    tenantry_access_free(other_access);
    tenantry_sender_free(other_sender);
    answers(__LINE__, TENANTRY_CLOSED, other, other_access, other_sender);

    tenantry_access_free(access);
    tenantry_sender_free(sender);
    state_hash(store, after);
    EXPECT(strcmp(before, after) == 0);
}

/* A program with a newer header has a larger struct; one byte too many written would be an overflow. */
static void test_struct_size(void)
{
    tenantry_store store = must_open(":memory:", "{}");
    set_up(store, "{\"email_per_day\":1}");
    struct {
        tenantry_decision decision;
        unsigned char later[64];
    } newer;
    for (int round = 0; round < 2; round++) {
        memset(&newer, 0xee, sizeof newer);
        newer.decision.struct_size = sizeof newer;
        EXPECT_STATUS(TENANTRY_OK, tenantry_admit(store, "acme", 4, NULL, 0, 1, &newer.decision));
        EXPECT(newer.decision.struct_size == sizeof newer);
        EXPECT(newer.decision.code == (round == 0 ? TENANTRY_OK : TENANTRY_QUOTA_EXCEEDED));
        EXPECT(newer.decision.remaining == 0 && newer.decision.over == 0);
        for (size_t i = 0; i < sizeof newer.later; i++) EXPECT(newer.later[i] == 0xee);
    }
    EXPECT(strcmp(newer.decision.limit, "email_per_day") == 0 && strcmp(newer.decision.subject, "acme") == 0);
    tenantry_free(store);
}

/* What memory can tell is told, the rest is not: then nothing is charged, and who looks at the code alone sends nothing. */
static void test_at_once(void)
{
    tenantry_store store = must_open(":memory:", "{}");
    set_up(store, "{\"email_per_day\":2}");
    tenantry_sender sender;
    tenantry_access access;
    EXPECT_STATUS(TENANTRY_OK, tenantry_sender_prepare(store, "acme", 4, NULL, 0, NULL, 0, &sender));
    EXPECT_STATUS(TENANTRY_OK, tenantry_access_prepare(store, "acme", 4, "bob", 3, "campaigns.send", 14, &access));
    tenantry_decision decision = TENANTRY_DECISION_INIT, told = TENANTRY_DECISION_INIT;
    bool decided = true, allowed = true, known = true;
    EXPECT_STATUS(TENANTRY_OK, tenantry_sender_try_admit(sender, 1, &decision, &decided));
    EXPECT(!decided && decision.granted == 0 && decision.code == TENANTRY_BUSY && decision.limit[0] == '\0');
    decided = true;
    EXPECT_STATUS(TENANTRY_OK, tenantry_try_admit(store, "acme", 4, NULL, 0, 1, &decision, &decided));
    EXPECT(!decided && decision.granted == 0 && decision.code == TENANTRY_BUSY);
    EXPECT_STATUS(TENANTRY_OK, tenantry_sender_admit(sender, 2, &decision));
    EXPECT(decision.granted == 2 && decision.remaining == 0);
    EXPECT_STATUS(TENANTRY_OK, tenantry_sender_try_admit(sender, 1, &told, &decided));
    EXPECT(decided && told.granted == 0 && told.code == TENANTRY_QUOTA_EXCEEDED && told.limit_used == 2);
    EXPECT(strcmp(told.limit, "email_per_day") == 0 && strcmp(told.subject, "acme") == 0 && told.retry_at_ms > 0);
    decided = false;
    EXPECT_STATUS(TENANTRY_OK, tenantry_try_admit(store, "acme", 4, NULL, 0, 1, &decision, &decided));
    EXPECT(decided && decision.code == told.code && decision.retry_at_ms == told.retry_at_ms);

    EXPECT_STATUS(TENANTRY_OK, tenantry_access_try_allowed(access, &allowed, &known));
    EXPECT(!known && !allowed);
    known = true;
    EXPECT_STATUS(TENANTRY_OK, tenantry_try_allowed(store, "acme", 4, "bob", 3, "campaigns.send", 14, &allowed, &known));
    EXPECT(!known && !allowed);
    bool expected;
    EXPECT_STATUS(TENANTRY_OK, tenantry_access_allowed(access, &expected));
    allowed = !expected;
    EXPECT_STATUS(TENANTRY_OK, tenantry_access_try_allowed(access, &allowed, &known));
    EXPECT(known && allowed == expected);
    allowed = !expected;
    EXPECT_STATUS(TENANTRY_OK, tenantry_try_allowed(store, "acme", 4, "bob", 3, "campaigns.send", 14, &allowed, &known));
    EXPECT(known && allowed == expected);
    tenantry_sender_free(sender);
    tenantry_access_free(access);
    tenantry_free(store);
    EXPECT_STATUS(TENANTRY_CLOSED, tenantry_sender_try_admit(sender, 1, &decision, &decided));
    EXPECT(!decided && decision.code == TENANTRY_CLOSED);
    EXPECT_STATUS(TENANTRY_CLOSED, tenantry_access_try_allowed(access, &allowed, &known));
    EXPECT(!known && !allowed);
}

typedef struct pair {
    tenantry_store json, typed;
    tenantry_access access;
    tenantry_sender senders[2];
    unsigned asked;
} pair;

/* The same operation in both stores. */
static void both(pair *pair, const char *operation, const char *request)
{
    must(pair->json, operation, request);
    must(pair->typed, operation, request);
}

static void same_decision(pair *pair, const char *user, uint64_t count, int32_t expected)
{
    buffer request = {NULL, 0}, typed = {NULL, 0};
    append(&request, "{\"account\":\"acme\",%s%s%s\"count\":%" PRIu64 "}", user == NULL ? "" : "\"user\":\"",
           user == NULL ? "" : user, user == NULL ? "" : "\",", count);
    tenantry_text answer = must_call(pair->json, "sending.admit", request.data);
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    bool has_handle = user == NULL || strcmp(user, "bob") == 0;
    if (has_handle && pair->asked++ % 2 == 0)
        EXPECT_STATUS(TENANTRY_OK, tenantry_sender_admit(pair->senders[user != NULL], count, &decision));
    else
        EXPECT_STATUS(TENANTRY_OK, tenantry_admit(pair->typed, "acme", 4, user, user == NULL ? 0 : strlen(user), count, &decision));
    append_decision(&typed, &decision);
    if (strcmp(answer.data, typed.data) != 0) fail("sending.admit %s: %s, but typed %s", request.data, answer.data, typed.data);
    if (decision.code != expected) fail("%s: %s, not %s", request.data, typed.data, tenantry_error_name(expected));
    tenantry_text_free(&answer);
    free(request.data);
    free(typed.data);
}

static void same_check(pair *pair, bool expected)
{
    tenantry_text answer = must_call(pair->json, "access.check",
                                     "{\"account\":\"acme\",\"user\":\"bob\",\"permission\":\"campaigns.send\"}");
    EXPECT(strcmp(answer.data, expected ? "{\"allowed\":true}" : "{\"allowed\":false}") == 0);
    tenantry_text_free(&answer);
    bool by_handle = !expected, by_ids = !expected;
    EXPECT_STATUS(TENANTRY_OK, tenantry_access_allowed(pair->access, &by_handle));
    EXPECT_STATUS(TENANTRY_OK, tenantry_allowed(pair->typed, "acme", 4, "bob", 3, "campaigns.send", 14, &by_ids));
    EXPECT(by_handle == expected && by_ids == expected);
}

/* Two equal stores with a clock that stands still: one is asked in JSON, the other through the typed calls. */
static void test_twins(void)
{
    static const char options[] = "{\"clock\":{\"manual_ms\":1750000000000},\"seed\":7}";
    pair pair = {must_open(":memory:", options), must_open(":memory:", options), {0}, {{0}, {0}}, 0};
    set_up(pair.json, "{\"email_per_hour\":5,\"email_per_day\":8}");
    set_up(pair.typed, "{\"email_per_hour\":5,\"email_per_day\":8}");
    prepare(pair.typed, &pair.access, &pair.senders[1]);
    EXPECT_STATUS(TENANTRY_OK, tenantry_sender_prepare(pair.typed, "acme", 4, NULL, 0, NULL, 0, &pair.senders[0]));

    for (int round = 0; round < 2; round++) { /* which question goes through the handle changes */
        same_decision(&pair, NULL, 2, TENANTRY_OK);
        same_decision(&pair, "bob", 2, TENANTRY_OK);
        same_decision(&pair, NULL, 2, TENANTRY_QUOTA_EXCEEDED);
        same_decision(&pair, "bob", 6, TENANTRY_EXCEEDS_LIMIT);
        same_decision(&pair, "bob", 1, TENANTRY_OK);
        same_decision(&pair, NULL, 1, TENANTRY_QUOTA_EXCEEDED);
        same_decision(&pair, "carl", 1, TENANTRY_NOT_MEMBER);
        same_check(&pair, true);
        both(&pair, "accounts.hold", "{\"account\":\"acme\",\"reason\":\"abuse\"}");
        same_decision(&pair, "bob", 1, TENANTRY_ACCOUNT_SUSPENDED);
        same_decision(&pair, NULL, 1, TENANTRY_ACCOUNT_SUSPENDED);
        same_check(&pair, false);
        both(&pair, "accounts.release", round == 0 ? "{\"account\":\"acme\",\"hold\":1}" : "{\"account\":\"acme\",\"hold\":2}");
        same_check(&pair, true);
        both(&pair, "roles.edit", "{\"role\":\"writer\",\"deny\":[\"campaigns.send\"]}");
        same_check(&pair, false);
        same_decision(&pair, "bob", 1, TENANTRY_PERMISSION_DENIED);
        both(&pair, "roles.edit", "{\"role\":\"writer\",\"deny\":[]}");
        same_check(&pair, true);
        both(&pair, "clock.set", round == 0 ? "{\"now_ms\":1750003620000}" : "{\"now_ms\":1750090020000}");
        same_decision(&pair, NULL, 1, TENANTRY_OK); /* an hour after the minute of the sends has ended */
        both(&pair, "clock.set", round == 0 ? "{\"now_ms\":1750086400000}" : "{\"now_ms\":1750172800000}");
    }
    both(&pair, "limits.set", "{\"account\":\"acme\",\"limit\":\"email_per_hour\",\"value\":\"unlimited\"}");
    both(&pair, "limits.set", "{\"account\":\"acme\",\"limit\":\"email_per_day\",\"value\":\"unlimited\"}");
    same_decision(&pair, NULL, 1000000, TENANTRY_OK);

    char json[65], typed[65];
    state_hash(pair.json, json);
    state_hash(pair.typed, typed);
    EXPECT(strcmp(json, typed) == 0);
    tenantry_access_free(pair.access);
    tenantry_sender_free(pair.senders[0]);
    tenantry_sender_free(pair.senders[1]);
    tenantry_free(pair.json);
    tenantry_free(pair.typed);
}

typedef struct work {
    tenantry_store store;
    tenantry_sender shared;
    uint64_t granted;
} work;

/* Sends through a shared sender and through its own, which it frees again and again. */
static void *send_all(void *argument)
{
    work *work = argument;
    for (int round = 0; round < 1000; round++) {
        tenantry_decision decision = TENANTRY_DECISION_INIT;
        int32_t status = tenantry_sender_admit(work->shared, 1, &decision);
        EXPECT(status == TENANTRY_OK || status == TENANTRY_CLOSED);
        work->granted += decision.granted;
        tenantry_sender own;
        EXPECT_STATUS(TENANTRY_OK, tenantry_sender_prepare(work->store, "acme", 4, "bob", 3, NULL, 0, &own));
        EXPECT_STATUS(TENANTRY_OK, tenantry_sender_admit(own, 1, &decision));
        work->granted += decision.granted;
        tenantry_sender_free(own);
        if (round == 700) tenantry_sender_free(work->shared); /* under the hands of the others */
    }
    return NULL;
}

static void test_threads(void)
{
    enum { THREADS = 4, LIMIT = 4500 }; /* below the 4700 that are asked for at least */
    tenantry_store store = must_open(":memory:", "{}");
    set_up(store, "{\"email_per_month\":4500}");
    tenantry_sender shared;
    EXPECT_STATUS(TENANTRY_OK, tenantry_sender_prepare(store, "acme", 4, NULL, 0, NULL, 0, &shared));
    pthread_t threads[THREADS];
    work works[THREADS];
    uint64_t granted = 0;
    for (int i = 0; i < THREADS; i++) {
        works[i] = (work){store, shared, 0};
        EXPECT(pthread_create(&threads[i], NULL, send_all, &works[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL) == 0);
        granted += works[i].granted;
    }
    EXPECT(granted == LIMIT);
    tenantry_free(store);
}

/* In a forked child: what it inherited answers `forked` and can be freed, and a store of its own works. */
static void in_child(tenantry_store store, tenantry_access access, tenantry_sender sender, const char *folder)
{
    alarm(60); /* a hang ends here, and the parent sees it */
    answers(__LINE__, TENANTRY_FORKED, store, access, sender);
    EXPECT_STATUS(TENANTRY_FORKED, tenantry_close(store));
    tenantry_access_free(access);
    tenantry_sender_free(sender);
    tenantry_free(store);
    answers(__LINE__, TENANTRY_CLOSED, store, access, sender);
    tenantry_store own = must_open(":memory:", "{}");
    set_up(own, "{}");
    prepare(own, &access, &sender);
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    EXPECT_STATUS(TENANTRY_OK, tenantry_sender_admit(sender, 1, &decision));
    EXPECT(decision.granted == 1);
    EXPECT_STATUS(TENANTRY_OK, tenantry_close(own));
    tenantry_free(own);
    tenantry_text error;
    EXPECT_STATUS(TENANTRY_FORKED, tenantry_open(folder, strlen(folder), NULL, 0, &own, &error));
    tenantry_text_free(&error);
}

static void fork_once(tenantry_store store, tenantry_access access, tenantry_sender sender, const char *folder)
{
    int ends[2];
    EXPECT(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        in_child(store, access, sender, folder);
        EXPECT(write(ends[1], "k", 1) == 1);
        /* What the parent's store holds in memory is leaked here on purpose; nothing shall count it. */
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    close(ends[1]);
    char verdict = 0;
    ssize_t got = read(ends[0], &verdict, 1);
    close(ends[0]);
    int status;
    EXPECT(waitpid(child, &status, 0) == child);
    if (got != 1 || verdict != 'k') fail("the child ended with status %#x", (unsigned)status);
}

typedef struct traffic {
    tenantry_store store;
    volatile sig_atomic_t stop;
} traffic;

static void *keep_busy(void *argument)
{
    traffic *traffic = argument;
    while (!traffic->stop) {
        tenantry_access access;
        tenantry_sender sender;
        prepare(traffic->store, &access, &sender);
        tenantry_decision decision = TENANTRY_DECISION_INIT;
        EXPECT_STATUS(TENANTRY_OK, tenantry_sender_admit(sender, 1, &decision));
        tenantry_access_free(access);
        tenantry_sender_free(sender);
        must(traffic->store, "roles.edit", "{\"role\":\"writer\",\"name\":\"Writer\"}");
    }
    return NULL;
}

static void test_fork(const char *folder)
{
    tenantry_store store = must_open(folder, "{\"durability\":\"relaxed\"}");
    tenantry_access access;
    tenantry_sender sender;
    prepare(store, &access, &sender);
    char before[65], after[65];
    /* A lock of this sanitizer's allocator that another thread holds, be it one of the store's, stays taken in the child. */
#ifdef __SANITIZE_ADDRESS__
    enum { THREADS = 2, QUIET_FORKS = 0, FORKS = 0 };
#else
    enum { THREADS = 2, QUIET_FORKS = 1, FORKS = 20 };
#endif
    state_hash(store, before);
    for (int i = 0; i < QUIET_FORKS; i++) fork_once(store, access, sender, folder);
    state_hash(store, after);
    EXPECT(strcmp(before, after) == 0);

    /* And while other threads are in the middle of everything. */
    pthread_t threads[THREADS];
    traffic busy = {store, 0};
    for (int i = 0; i < THREADS; i++) EXPECT(pthread_create(&threads[i], NULL, keep_busy, &busy) == 0);
    for (int i = 0; i < FORKS; i++) fork_once(store, access, sender, folder);
    busy.stop = 1;
    for (int i = 0; i < THREADS; i++) EXPECT(pthread_join(threads[i], NULL) == 0);

    bool allowed = false;
    EXPECT_STATUS(TENANTRY_OK, tenantry_access_allowed(access, &allowed));
    EXPECT(allowed);
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    EXPECT_STATUS(TENANTRY_OK, tenantry_sender_admit(sender, 1, &decision));
    EXPECT(decision.granted == 1);
    must(store, "users.create", "{\"id\":\"later\",\"email\":\"later@example.com\"}");
    EXPECT_STATUS(TENANTRY_OK, tenantry_close(store));
    tenantry_access_free(access);
    tenantry_sender_free(sender);
    tenantry_free(store);

    store = must_open(folder, "{\"create\":false}");
    must(store, "users.get", "{\"user\":\"later\"}");
    tenantry_free(store);
}

#ifndef __SANITIZE_ADDRESS__ /* see test_fork */
/* How many messages a sender lets out, one by one, at most `most`. */
static uint32_t send_until_refused(tenantry_sender sender, uint32_t most)
{
    for (uint32_t sent = 0; sent < most; sent++) {
        tenantry_decision decision = TENANTRY_DECISION_INIT;
        int status = tenantry_sender_admit(sender, 1, &decision);
        /* Others draw from the same record. */
        if (status == TENANTRY_BUSY) { sent--; continue; }
        EXPECT_STATUS(TENANTRY_OK, status);
        if (decision.granted == 0) return sent;
    }
    return most;
}

/* A store in SQLite goes on in forked children, with the handles that they inherit, and its limit is sold once. */
static void test_fork_in_sqlite(const char *folder)
{
    enum { CHILDREN = 3, LIMIT_HERE = 600 };
    buffer path = {NULL, 0};
    append(&path, "sqlite:%s.db", folder);
    tenantry_store store = must_open(path.data, "{}");
    set_up(store, "{\"email_per_day\":600}");
    tenantry_access access;
    tenantry_sender sender;
    prepare(store, &access, &sender);
    uint32_t sent = send_until_refused(sender, 10);
    EXPECT(sent == 10);
    int ends[CHILDREN][2];
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        EXPECT(pipe(ends[i]) == 0);
        fflush(NULL);
        children[i] = fork();
        EXPECT(children[i] >= 0);
        if (children[i] == 0) {
            alarm(60); /* a hang ends here, and the parent sees it */
            bool allowed = false;
            EXPECT_STATUS(TENANTRY_OK, tenantry_access_allowed(access, &allowed));
            EXPECT(allowed);
            uint32_t of_child = send_until_refused(sender, LIMIT_HERE);
            must(store, "roles.edit", "{\"role\":\"writer\",\"name\":\"Writer of a child\"}");
            EXPECT_STATUS(TENANTRY_OK, tenantry_close(store));
            tenantry_decision decision = TENANTRY_DECISION_INIT;
            EXPECT_STATUS(TENANTRY_CLOSED, tenantry_sender_admit(sender, 1, &decision));
            tenantry_access_free(access);
            tenantry_sender_free(sender);
            tenantry_free(store);
            EXPECT(write(ends[i][1], &of_child, sizeof of_child) == sizeof of_child);
            kill(getpid(), SIGKILL); /* as in fork_once */
        }
        close(ends[i][1]);
    }
    sent += send_until_refused(sender, LIMIT_HERE);
    for (int i = 0; i < CHILDREN; i++) {
        uint32_t of_child = 0;
        EXPECT(read(ends[i][0], &of_child, sizeof of_child) == sizeof of_child);
        close(ends[i][0]);
        int status;
        EXPECT(waitpid(children[i], &status, 0) == children[i]);
        sent += of_child;
    }
    /* What a child had drawn and not used it has given back. */
    sent += send_until_refused(sender, LIMIT_HERE);
    EXPECT(sent == LIMIT_HERE);
    EXPECT_STATUS(TENANTRY_OK, tenantry_close(store));
    tenantry_access_free(access);
    tenantry_sender_free(sender);
    tenantry_free(store);
    free(path.data);
}
#endif

typedef struct openings {
    const char *folder;
    volatile sig_atomic_t stop;
} openings;

static void *keep_opening(void *argument)
{
    openings *openings = argument;
    while (!openings->stop) {
        tenantry_store store = must_open(openings->folder, "{\"create\":false}");
        EXPECT_STATUS(TENANTRY_OK, tenantry_close(store));
        tenantry_free(store);
    }
    return NULL;
}

/* Children that are forked while another thread opens and closes the store keep none of its locks, however long they
 * live. */
static void test_fork_while_opening(const char *folder)
{
    enum { CHILDREN = 40 };
    pid_t children[CHILDREN];
    pthread_t thread;
    openings opening = {folder, 0};
    EXPECT(pthread_create(&thread, NULL, keep_opening, &opening) == 0);
    fflush(NULL);
    for (int i = 0; i < CHILDREN; i++) {
        usleep(3000);
        children[i] = fork();
        EXPECT(children[i] >= 0);
        if (children[i] == 0) {
            alarm(60); /* should the parent fail */
            for (;;) pause();
        }
    }
    opening.stop = 1;
    EXPECT(pthread_join(thread, NULL) == 0);
    tenantry_store store = must_open(folder, "{\"create\":false}");
    EXPECT_STATUS(TENANTRY_OK, tenantry_close(store));
    tenantry_free(store);
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        EXPECT(kill(children[i], SIGKILL) == 0);
        EXPECT(waitpid(children[i], &status, 0) == children[i]);
    }
}

/* What a progress function sees, and when it says stop. */
typedef struct watch {
    tenantry_store store;
    int calls;
    int stop_at;
    bool frees;
    uint64_t rows, bytes, bytes_total;
} watch;

static bool watching(void *context, uint64_t rows, uint64_t bytes, uint64_t bytes_total)
{
    watch *own = context;
    own->calls++;
    own->rows = rows;
    own->bytes = bytes;
    own->bytes_total = bytes_total;
    must(own->store, "accounts.get", "{\"account\":\"acme\"}");
    if (own->frees) tenantry_free(own->store);
    return own->calls != own->stop_at;
}

static int32_t import(tenantry_store store, const char *actor, const char *options, const char *csv, size_t csv_len, watch *watch,
                      tenantry_text *answer)
{
    return tenantry_import_users(store, actor, strlen(actor), options, strlen(options), csv, csv_len, watch == NULL ? NULL : watching,
                                 watch, answer);
}

static void test_import(void)
{
    enum { ROWS = 700 };
    const char *options = "{\"account\":\"acme\",\"role\":\"writer\"}";
    buffer file = {NULL, 0};
    append(&file, "email\n");
    for (int row = 0; row < ROWS; row++) append(&file, "u%d@acme.example\n", row);

    tenantry_store store = must_open(":memory:", "{\"edition\":\"commercial\"}");
    set_up(store, "{}");
    tenantry_text answer;
    watch watch = {store, 0, 1, false, 0, 0, 0};
    EXPECT_STATUS(TENANTRY_OK, import(store, "", options, file.data, file.len, &watch, &answer));
    EXPECT(strstr(answer.data, "\"members\":500,") != NULL && strstr(answer.data, "\"stopped\":true") != NULL);
    EXPECT(watch.calls == 1 && watch.rows == 500 && watch.bytes > 5 * 500 && watch.bytes_total == file.len);
    tenantry_text_free(&answer);
    watch.stop_at = 0;
    EXPECT_STATUS(TENANTRY_OK, import(store, "", options, file.data, file.len, &watch, &answer));
    EXPECT(strstr(answer.data, "\"refused\":500,\"rows\":700,\"members\":200,") != NULL && strstr(answer.data, "\"stopped\":false") != NULL);
    EXPECT(watch.calls == 3 && watch.rows == ROWS && watch.bytes == file.len);
    tenantry_text_free(&answer);
    EXPECT_STATUS(TENANTRY_OK, import(store, "", options, "email\nann@acme.example\n", 23, NULL, &answer));
    EXPECT(has_member(answer.data, "code", "already_member") && has_member(answer.data, "field", "/email"));
    tenantry_text_free(&answer);

    char before[65], after[65];
    state_hash(store, before);
    const struct {
        int32_t status;
        const char *actor, *options, *csv;
        size_t csv_len;
    } bad[] = {
        {TENANTRY_INVALID_ARGUMENT, "", "", "email\n", 6},
        {TENANTRY_INVALID_ARGUMENT, "", "{\"account\":\"acme\",\"file\":\"x\"}", "email\n", 6},
        {TENANTRY_INVALID_ARGUMENT, "{\"kind\":\"operator\"}", options, "email\n", 6},
        {TENANTRY_INVALID_ARGUMENT, "", options, NULL, 6},
        {TENANTRY_INVALID_ARGUMENT, "", options, "email\n", SIZE_MAX},
        {TENANTRY_CSV_INVALID, "", options, NULL, 0},
        {TENANTRY_CSV_INVALID, "", options, "email,colour\n", 13},
        {TENANTRY_CSV_INVALID, "", options, "email\n\xff", 7},
        {TENANTRY_NOT_FOUND, "", "{\"account\":\"nobody\"}", "email\n", 6},
        {TENANTRY_NOT_FOUND, "{\"kind\":\"operator\",\"user\":\"ann\"}", options, "email\n", 6},
        {TENANTRY_PERMISSION_DENIED, "{\"kind\":\"user\",\"user\":\"bob\",\"account\":\"acme\"}", options, "email\n", 6},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT_STATUS(bad[i].status, import(store, bad[i].actor, bad[i].options, bad[i].csv, bad[i].csv_len, NULL, &answer));
        EXPECT(has_member(answer.data, "code", tenantry_error_name(bad[i].status)));
        tenantry_text_free(&answer);
    }
    EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, import(store, "", options, "email\n", 6, NULL, NULL));
    state_hash(store, after);
    EXPECT(strcmp(before, after) == 0);

    /* The function may free the store: the import is the last that uses it. */
    watch.frees = true;
    watch.calls = 0;
    watch.stop_at = 1;
    EXPECT_STATUS(TENANTRY_OK, import(store, "", options, file.data, file.len, &watch, &answer));
    tenantry_text_free(&answer);
    EXPECT_STATUS(TENANTRY_CLOSED, import(store, "", options, file.data, file.len, NULL, &answer));
    tenantry_text_free(&answer);
    free(file.data);
}

struct waits {
    tenantry_store store;
    int32_t status;
    uint64_t last;
};

static void *wait_for_message(void *context)
{
    struct waits *waits = context;
    waits->status = tenantry_outbox_wait(waits->store, 0, 60000, &waits->last);
    return NULL;
}

/* R-OUT-1: the commit of a message wakes who waits, and so does closing. */
static void test_outbox_wait(void)
{
    for (int closes = 0; closes < 2; closes++) {
        tenantry_store store = must_open(":memory:", "{}");
        set_up(store, "{}");
        uint64_t last = 7;
        EXPECT_STATUS(TENANTRY_OK, tenantry_outbox_wait(store, 0, 0, &last));
        EXPECT(last == 0);
        EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_outbox_wait(store, 0, 0, NULL));
        struct waits waits = {store, -1, 0};
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, wait_for_message, &waits) == 0);
        if (closes) EXPECT_STATUS(TENANTRY_OK, tenantry_close(store));
        else must(store, "campaigns.stop", "{\"account\":\"acme\",\"campaign\":\"spring\"}");
        EXPECT(pthread_join(thread, NULL) == 0);
        EXPECT_STATUS(closes ? TENANTRY_CLOSED : TENANTRY_OK, waits.status);
        EXPECT(waits.last == (closes ? 0 : 1));
        tenantry_free(store);
        EXPECT_STATUS(TENANTRY_CLOSED, tenantry_outbox_wait(store, 0, 0, &last));
    }
}

static const char bombs[][16] = {"[", "{\"a\":", "[{\"a\":", "{\"owner\":["};

static void *throw_bombs(void *argument)
{
    tenantry_store store = *(tenantry_store *)argument;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        char *deep = repeated(bombs[i], 100000);
        size_t len = strlen(deep);
        refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, NULL, 0, "accounts.create", 15, deep, len);
        refused(__LINE__, TENANTRY_INVALID_ARGUMENT, store, deep, len, "accounts.get", 12, "{\"account\":\"acme\"}", 18);
        tenantry_store none;
        tenantry_text error;
        EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_open(":memory:", 8, deep, len, &none, &error));
        tenantry_text_free(&error);
        tenantry_sender sender;
        EXPECT_STATUS(TENANTRY_INVALID_ARGUMENT, tenantry_sender_prepare(store, "acme", 4, NULL, 0, deep, len, &sender));
        free(deep);
    }
    return NULL;
}

/* S16: texts nested 100,000 deep, on a thread with a small stack. The sanitizers need more of it for themselves. */
static void test_bombs(void)
{
#if defined(__SANITIZE_ADDRESS__)
    const size_t stack = 1 << 20;
#else
    const size_t stack = 64 << 10;
#endif
    tenantry_store store = must_open(":memory:", "{}");
    set_up(store, "{}");
    pthread_attr_t attributes;
    pthread_t thread;
    EXPECT(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, stack) == 0);
    EXPECT(pthread_create(&thread, &attributes, throw_bombs, &store) == 0 && pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    tenantry_free(store);
}

/* A second handle on the same folder shares the store, and the last one that is closed closes it. */
static void test_two_handles(const char *folder)
{
    tenantry_store first = must_open(folder, "{}");
    tenantry_store second = must_open(folder, "{}");
    EXPECT(first.id != second.id);
    EXPECT_STATUS(TENANTRY_OK, tenantry_close(first));
    EXPECT_STATUS(TENANTRY_OK, tenantry_close(first));
    refused(__LINE__, TENANTRY_CLOSED, first, NULL, 0, "store.info", 10, NULL, 0);
    must(second, "store.info", "{}");
    tenantry_free(first);
    must(second, "store.info", "{}");
    tenantry_free(second);
}

int main(void)
{
    char folder[] = "abi_test.XXXXXX";
    EXPECT(mkdtemp(folder) != NULL);
    buffer path = {NULL, 0};
    append(&path, "%s/store", folder);

    test_errors();
    test_open(folder);
    tenantry_store store = must_open(path.data, "{\"durability\":\"relaxed\"}");
    set_up(store, "{}");
    test_bad_calls(store);
    test_handles(store);
    EXPECT_STATUS(TENANTRY_OK, tenantry_close(store));
    tenantry_free(store);
    test_struct_size();
    test_at_once();
    test_bombs();
    test_twins();
    test_threads();
    test_import();
    test_outbox_wait();
    test_two_handles(path.data);
    test_fork(path.data);
#ifndef __SANITIZE_ADDRESS__
    test_fork_in_sqlite(path.data);
#endif
    test_fork_while_opening(path.data);
    free(path.data);
    puts("ok");
    return 0;
}
