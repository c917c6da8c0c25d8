/* What a call costs from C, in nanoseconds: the best of many short runs, since other work on the machine only adds.
 *
 *     bench [<folder>]     without a folder the store is in memory */
#define _POSIX_C_SOURCE 200809L

#include <time.h>

#include "common.h"

enum { RUNS = 200, CALLS = 5000 };

static tenantry_store store;
static tenantry_access access;
static tenantry_sender sender;

static void expect_ok(int32_t status)
{
    if (status != TENANTRY_OK) fail("%s", tenantry_error_name(status));
}

static void empty_call(void)
{
    tenantry_access_free((tenantry_access){0});
}

static void access_prepared(void)
{
    bool allowed;
    expect_ok(tenantry_access_allowed(access, &allowed));
}

static void access_by_ids(void)
{
    bool allowed;
    expect_ok(tenantry_allowed(store, "acme", 4, "bob", 3, "campaigns.send", 14, &allowed));
}

static void access_json(void)
{
    must(store, "access.check", "{\"account\":\"acme\",\"user\":\"bob\",\"permission\":\"campaigns.send\"}");
}

static void admit_prepared(void)
{
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    expect_ok(tenantry_sender_admit(sender, 1, &decision));
    if (decision.granted != 1) fail("refused");
}

static void admit_by_ids(void)
{
    tenantry_decision decision = TENANTRY_DECISION_INIT;
    expect_ok(tenantry_admit(store, "acme", 4, "bob", 3, 1, &decision));
    if (decision.granted != 1) fail("refused");
}

static void admit_json(void)
{
    must(store, "sending.admit", "{\"account\":\"acme\",\"user\":\"bob\",\"count\":1}");
}

static void measure(const char *name, void (*call)(void))
{
    double best = 1e300;
    for (int run = 0; run < RUNS; run++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (int i = 0; i < CALLS; i++) call();
        clock_gettime(CLOCK_MONOTONIC, &end);
        double ns = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
        if (ns / CALLS < best) best = ns / CALLS;
    }
    printf("%-20s %8.1f ns\n", name, best);
}

int main(int count, char **words)
{
    store = must_open(count > 1 ? words[1] : ":memory:", "{}");
    set_up(store, "{\"email_per_hour\":1000000000,\"email_per_day\":2000000000,\"email_per_month\":3000000000}");
    expect_ok(tenantry_access_prepare(store, "acme", 4, "bob", 3, "campaigns.send", 14, &access));
    expect_ok(tenantry_sender_prepare(store, "acme", 4, "bob", 3, NULL, 0, &sender));
    measure("empty call", empty_call);
    measure("check, prepared", access_prepared);
    measure("check, by ids", access_by_ids);
    measure("check, JSON", access_json);
    measure("admit, prepared", admit_prepared);
    measure("admit, by ids", admit_by_ids);
    measure("admit, JSON", admit_json);
    tenantry_access_free(access);
    tenantry_sender_free(sender);
    expect_ok(tenantry_close(store));
    tenantry_free(store);
    return 0;
}
