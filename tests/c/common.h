/* What the C test programs share. */
#ifndef TENANTRY_TESTS_COMMON_H
#define TENANTRY_TESTS_COMMON_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenantry.h"

/* Ends the program with a message. */
static inline void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* A text that grows. */
typedef struct buffer {
    char *data;
    size_t len;
} buffer;

static inline void append(buffer *to, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int more = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (more < 0) fail("vsnprintf failed");
    char *data = realloc(to->data, to->len + (size_t)more + 1);
    if (data == NULL) fail("no memory");
    to->data = data;
    vsnprintf(to->data + to->len, (size_t)more + 1, format, again);
    va_end(again);
    to->len += (size_t)more;
}

/* Appends a JSON string. The texts of a decision hold no control characters. */
static inline void append_string(buffer *to, const char *text)
{
    append(to, "\"");
    for (; *text != '\0'; text++) append(to, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    append(to, "\"");
}

/* A decision as the operation `sending.admit` answers it. */
static inline void append_decision(buffer *to, const tenantry_decision *decision)
{
    append(to, "{\"granted\":%" PRIu64, decision->granted);
    if (decision->code != TENANTRY_OK) {
        append(to, ",\"refusal\":{\"code\":\"%s\"", tenantry_error_name(decision->code));
        if (decision->limit[0] != '\0') {
            append(to, ",\"limit\":{\"name\":");
            append_string(to, decision->limit);
            append(to, ",\"scope\":");
            append_string(to, decision->scope);
            append(to, ",\"subject\":");
            append_string(to, decision->subject);
            append(to, ",\"value\":%" PRIu64 ",\"used\":%" PRIu64, decision->limit_value, decision->limit_used);
            if (decision->limit_kept_apart != 0) append(to, ",\"kept_apart\":%" PRIu64, decision->limit_kept_apart);
            append(to, ",\"source\":");
            append_string(to, decision->source);
            append(to, "}");
        }
        if (decision->retry_at_ms != 0) append(to, ",\"retry_at_ms\":%" PRIu64, decision->retry_at_ms);
        if (decision->code == TENANTRY_CREDITS_EXHAUSTED) append(to, ",\"credits_left\":%" PRIu64, decision->credits_left);
        if (decision->over != 0) append(to, ",\"over\":\"%s\"", decision->over == 1 ? "hold" : "spread");
        append(to, ",\"http_status\":%" PRId32 ",\"smtp_reply\":\"%s\"}", tenantry_decision_http_status(decision),
               tenantry_decision_smtp_reply(decision));
    }
    if (decision->remaining != TENANTRY_UNLIMITED) append(to, ",\"remaining\":%" PRIu64, decision->remaining);
    if (decision->credits != 0)
        append(to, ",\"credits\":{\"amount\":%" PRIu64 ",\"entry\":%" PRIu64 "}", decision->credits, decision->credits_entry);
    append(to, "}");
}

/* Runs an operation as the host itself; it must succeed. The answer is the caller's to free. */
static inline tenantry_text must_call(tenantry_store store, const char *operation, const char *request)
{
    tenantry_text answer;
    if (tenantry_call(store, NULL, 0, operation, strlen(operation), request, strlen(request), &answer) != TENANTRY_OK)
        fail("%s %s: %s", operation, request, answer.data);
    return answer;
}

static inline void must(tenantry_store store, const char *operation, const char *request)
{
    tenantry_text answer = must_call(store, operation, request);
    tenantry_text_free(&answer);
}

static inline tenantry_store must_open(const char *path, const char *options)
{
    tenantry_store store;
    tenantry_text error;
    if (tenantry_open(path, strlen(path), options, strlen(options), &store, &error) != TENANTRY_OK)
        fail("open %s: %s", path, error.data);
    return store;
}

/* An account `acme` with an owner `ann` and a member `bob` who may send, under these limits. */
static inline void set_up(tenantry_store store, const char *limits)
{
    buffer package = {NULL, 0};
    append(&package, "{\"id\":\"small\",\"name\":\"Small\",\"limits\":%s}", limits);
    must(store, "packages.create", package.data);
    free(package.data);
    must(store, "roles.create", "{\"id\":\"writer\",\"name\":\"Writer\",\"allow\":[{\"permission\":\"campaigns\"}]}");
    must(store, "accounts.create",
         "{\"id\":\"acme\",\"name\":\"Acme\",\"package\":\"small\",\"owner\":{\"user\":\"ann\",\"email\":\"ann@acme.example\"}}");
    must(store, "members.add", "{\"account\":\"acme\",\"user\":\"bob\",\"email\":\"bob@acme.example\",\"role\":\"writer\"}");
}

#endif
