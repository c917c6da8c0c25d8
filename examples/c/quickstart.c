/* Who may do what, and how many messages may still go out: cc quickstart.c -ltenantry */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tenantry.h"

/* Runs an operation as the host itself, and prints the error if there is one. */
static int32_t call(tenantry_store store, const char *operation, const char *request)
{
    tenantry_text answer;
    int32_t status =
        tenantry_call(store, NULL, 0, operation, strlen(operation), request, strlen(request), &answer);
    if (status != TENANTRY_OK) fprintf(stderr, "%s: %s\n", operation, answer.data);
    tenantry_text_free(&answer);
    return status;
}

static int32_t make_account(tenantry_store store)
{
    static const char *const steps[][2] = {
        {"roles.create", "{\"id\": \"writer\", \"name\": \"Writer\", \"allow\": [{\"permission\": \"campaigns\"}]}"},
        {"packages.create", "{\"id\": \"small\", \"name\": \"Small\", \"limits\": {\"email_per_day\": 3}}"},
        {"accounts.create", "{\"id\": \"acme\", \"name\": \"Acme\", \"package\": \"small\","
                            " \"owner\": {\"user\": \"ann\", \"email\": \"ann@acme.example\"}}"},
        {"members.add", "{\"account\": \"acme\", \"user\": \"bob\", \"email\": \"bob@acme.example\", \"role\": \"writer\"}"},
    };
    int32_t status = TENANTRY_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == TENANTRY_OK; i++)
        status = call(store, steps[i][0], steps[i][1]);
    return status;
}

/* Sends until a send is refused, and prints why, and when it helps to try again. */
static int32_t send_all(tenantry_store store)
{
    tenantry_sender gate;
    int32_t status = tenantry_sender_prepare(store, "acme", 4, "bob", 3, NULL, 0, &gate);
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    while (status == TENANTRY_OK && decision.code == TENANTRY_OK) {
        status = tenantry_sender_admit(gate, 1, &decision);
        if (decision.granted > 0) printf("sent one, %" PRIu64 " left\n", decision.remaining);
    }
    tenantry_sender_free(gate);
    if (status != TENANTRY_OK) {
        fprintf(stderr, "admit: %s\n", tenantry_error_sentence(status));
        return status;
    }
    printf("refused: %s, %s is %" PRIu64, tenantry_error_name(decision.code), decision.limit, decision.limit_value);
    if (decision.retry_at_ms != 0) {
        time_t retry_at = (time_t)(decision.retry_at_ms / 1000);
        char when[32];
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&retry_at));
        printf(", again at %s", when);
    }
    putchar('\n');
    return TENANTRY_OK;
}

int main(int count, char **words)
{
    const char *path = count > 1 ? words[1] : ":memory:"; /* a folder keeps the store */
    tenantry_store store;
    tenantry_text error;
    int32_t status = tenantry_open(path, strlen(path), NULL, 0, &store, &error);
    if (status != TENANTRY_OK) {
        fprintf(stderr, "open: %s\n", error.data);
        tenantry_text_free(&error);
        return 1;
    }

    bool may_delete = false;
    status = make_account(store);
    if (status == TENANTRY_OK) status = tenantry_allowed(store, "acme", 4, "bob", 3, "accounts.delete", 15, &may_delete);
    if (status == TENANTRY_OK) {
        printf("bob may delete the account: %s\n", may_delete ? "yes" : "no");
        status = send_all(store);
    }

    int32_t closed = tenantry_close(store);
    if (closed != TENANTRY_OK) fprintf(stderr, "close: %s\n", tenantry_error_sentence(closed));
    tenantry_free(store);
    return status == TENANTRY_OK && closed == TENANTRY_OK ? 0 : 1;
}
