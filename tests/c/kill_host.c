/* The host of the kill -9 test.
 *
 *     kill_host <path> <name>
 *
 * Opens the store, makes the account `acme` when it is not there, says `ready`, and then sends and writes until it is
 * killed. Each line is written only after the library has acknowledged what it says:
 *
 *     granted <n>     n messages more were granted to `acme`
 *     wrote <id>      the user with this id was made; ids begin with <name>
 *
 * A store with every such line in it has kept its promise. */
#define _POSIX_C_SOURCE 200809L

#include <unistd.h>

#include "common.h"

static void say(const char *line, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDOUT_FILENO, line, len);
        if (written <= 0) exit(0); /* nobody listens any more */
        line += written;
        len -= (size_t)written;
    }
}

static void say_word(const char *word, const char *what)
{
    char line[128];
    int len = snprintf(line, sizeof line, "%s %s\n", word, what);
    if (len < 0 || (size_t)len >= sizeof line) fail("a line is too long");
    say(line, (size_t)len);
}

static bool has_account(tenantry_store store)
{
    static const char operation[] = "accounts.get", request[] = "{\"account\":\"acme\"}";
    tenantry_text answer;
    int32_t status =
        tenantry_call(store, NULL, 0, operation, strlen(operation), request, strlen(request), &answer);
    if (status != TENANTRY_OK && status != TENANTRY_NOT_FOUND) fail("accounts.get: %s", answer.data);
    tenantry_text_free(&answer);
    return status == TENANTRY_OK;
}

int main(int count, char **words)
{
    if (count != 3) fail("usage: kill_host <path> <name>");
    tenantry_store store = must_open(words[1], "{}");
    if (!has_account(store))
        must(store, "accounts.create",
             "{\"id\":\"acme\",\"name\":\"Acme\",\"limits\":{\"email_per_month\":1000000000},"
             "\"owner\":{\"user\":\"ann\",\"email\":\"ann@acme.example\"}}");
    tenantry_sender sender;
    int32_t status = tenantry_sender_prepare(store, "acme", 4, NULL, 0, NULL, 0, &sender);
    if (status != TENANTRY_OK) fail("prepare: %s", tenantry_error_name(status));
    say("ready\n", 6);

    for (unsigned round = 0;; round++) {
        for (uint64_t messages = 1; messages <= 20; messages++) {
            tenantry_decision decision = TENANTRY_DECISION_INIT;
            status = tenantry_sender_admit(sender, messages, &decision);
            if (status != TENANTRY_OK || decision.granted != messages)
                fail("admit: %s, %s", tenantry_error_name(status), tenantry_error_name(decision.code));
            char granted[24];
            snprintf(granted, sizeof granted, "%" PRIu64, decision.granted);
            say_word("granted", granted);
        }
        char user[64], request[256];
        int len = snprintf(user, sizeof user, "%s-%u", words[2], round);
        if (len < 0 || (size_t)len >= sizeof user) fail("the name is too long");
        snprintf(request, sizeof request, "{\"id\":\"%s\",\"email\":\"%s@acme.example\"}", user, user);
        must(store, "users.create", request);
        say_word("wrote", user);
    }
}
