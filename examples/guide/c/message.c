/* A message: may it go out, and what to do when it may not: cc message.c -ltenantry */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tenantry.h"

static int32_t call(tenantry_store t, const char *operation, const char *request)
{
    tenantry_text answer;
    int32_t status = tenantry_call(t, NULL, 0, operation, strlen(operation), request, strlen(request), &answer);
    if (status != TENANTRY_OK) fprintf(stderr, "%s: %s\n", operation, answer.data);
    tenantry_text_free(&answer);
    return status;
}

/* ANCHOR: reply */
/* One decision for all recipients of a message: they are charged in the same step, or none is. */
static int reply(tenantry_sender gate, uint64_t recipients)
{
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    int32_t status = tenantry_sender_admit(gate, recipients, &decision);
    if (status != TENANTRY_OK) return 451;         /* there was no decision: the client keeps the message */
    if (decision.code == TENANTRY_OK) return 250;  /* only now put the message into the queue */
    printf("%s (%s is %" PRIu64 ")\n", tenantry_error_name(decision.code), decision.limit, decision.limit_value);
    return decision.retry_at_ms != 0 ? 452 : 550;  /* waiting helps, or it does not */
}
/* ANCHOR_END: reply */

int main(void)
{
    tenantry_store t;
    tenantry_text error;
    if (tenantry_open(":memory:", 8, NULL, 0, &t, &error) != TENANTRY_OK) {
        fprintf(stderr, "open: %s\n", error.data);
        tenantry_text_free(&error);
        return 1;
    }
    int32_t status = call(t, "packages.create", "{\"id\": \"starter\", \"name\": \"Starter\", \"limits\": {\"email_per_day\": 100}}");
    if (status == TENANTRY_OK)
        status = call(t, "accounts.create", "{\"id\": \"acme\", \"name\": \"Acme\", \"package\": \"starter\","
                                            " \"owner\": {\"user\": \"olga\", \"email\": \"olga@acme.example\"}}");
    tenantry_sender gate = {0};
    /* ANCHOR: prepare */
    /* At log-in, or with the first message: who sends. Keep the handle, and ask it for every message. */
    static const char acting[] = "{\"acting\": {\"ip\": \"203.0.113.7\"}}";
    if (status == TENANTRY_OK)
        status = tenantry_sender_prepare(t, "acme", 4, "olga", 4, acting, strlen(acting), &gate);
    /* ANCHOR_END: prepare */
    if (status == TENANTRY_OK && (reply(gate, 98) != 250 || reply(gate, 3) != 452 || reply(gate, 101) != 550)) status = 1;
    tenantry_sender_free(gate);
    int32_t closed = tenantry_close(t);
    tenantry_free(t);
    return status == TENANTRY_OK && closed == TENANTRY_OK ? 0 : 1;
}
