// The C++ header stands alone and may be included twice, and its owners move and free as they say.
#include "tenantry.hpp"
#include "tenantry.hpp"

#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>
#include <utility>

static_assert(!std::is_copy_constructible<tenantry::Store>::value, "one owner");
static_assert(std::is_nothrow_move_constructible<tenantry::Store>::value, "owners move");
static_assert(std::is_nothrow_move_assignable<tenantry::Sender>::value, "owners move");
// R-ANS-1: what says yes or no is so in `if`, and nothing else is.
static_assert(std::is_same<decltype(std::declval<tenantry::Sender>().admit()), bool>::value, "a yes or a no");
static_assert(std::is_same<decltype(std::declval<tenantry::Store>().admit("", std::nullopt)), bool>::value, "the same");
static_assert(!std::is_constructible<bool, tenantry::Tried<bool>>::value, "nothing known is neither yes nor no");
static_assert(std::is_constructible<bool, tenantry::Decision>::value, "a decision is one");
static_assert(!std::is_convertible<tenantry::Decision, int>::value, "and no number");
static_assert(!std::is_constructible<bool, tenantry::Sender>::value, "a gate is none");
static_assert(!std::is_constructible<bool, tenantry::Access>::value, "nor is a check");

static int status_of(const tenantry::Store &store) {
    try {
        store.call("store.info");
        return TENANTRY_OK;
    } catch (const tenantry::Error &error) {
        return error.number();
    }
}

#define EXPECT(condition)                                             \
    do {                                                              \
        if (!(condition)) {                                           \
            std::fprintf(stderr, "line %d: " #condition "\n", __LINE__); \
            return 1;                                                 \
        }                                                             \
    } while (false)

int main() {
    tenantry::Store first(":memory:");
    const tenantry_store handle = first.get();
    tenantry::Store second(std::move(first));
    EXPECT(first.get().id == 0 && second.get().id == handle.id);
    EXPECT(status_of(first) == TENANTRY_CLOSED && status_of(second) == TENANTRY_OK);
    first = std::move(second);
    EXPECT(status_of(first) == TENANTRY_OK && status_of(second) == TENANTRY_CLOSED);
    {
        const tenantry::Store owner(std::move(first));
    }
    bool allowed = true;
    EXPECT(tenantry_allowed(handle, "a", 1, "b", 1, "c", 1, &allowed) == TENANTRY_CLOSED && !allowed);

    std::string heard;
    tenantry::set_log([&heard](const tenantry::LogEvent &event) {
        heard += std::to_string(event.level) + ' ' + std::string(event.target) + ' ' + std::string(event.message) + '\n';
    });
    tenantry::Store(":memory:").close();
    tenantry::set_log({});
    EXPECT(heard == "3 tenantry.store The store was opened.\n3 tenantry.store The store was closed.\n");

    try {
        const tenantry::Store store(":memory:", "{\"durabilty\": \"full\"}");
        return 1;
    } catch (const tenantry::Error &error) {
        EXPECT(error.number() == TENANTRY_INVALID_ARGUMENT && error.name() == "invalid_argument");
        EXPECT(error.http_status() == 400 && error.smtp_reply() == "501 5.5.4" && error.retry() == "never");
        EXPECT(error.error_class() == "invalid" && error.json().find("durabilty") != std::string::npos);
    }
    const tenantry::Store store(":memory:");
    try {
        const tenantry::Sender sender = store.sender("nobody");
        return 1;
    } catch (const tenantry::Error &error) {
        EXPECT(error.number() == TENANTRY_NOT_FOUND && error.what() == std::string_view(tenantry_error_sentence(error.number())));
    }
    store.call("accounts.create", R"({"id":"acme","name":"Acme","owner":{"user":"ann","email":"ann@acme.example"}})");
    const std::string options = R"({"account":"acme","role":"editor"})";
    std::string file = "email\n";
    for (int row = 0; row < 600; row++) file += "u" + std::to_string(row) + "@acme.example\n";
    try {
        store.import_users(file, options, [](const tenantry::ImportProgress &at) -> bool { throw at.rows; });
        return 1;
    } catch (std::uint64_t rows) {
        EXPECT(rows == 500);
    }
    std::uint64_t bytes = 0;
    const auto progress = [&bytes](const tenantry::ImportProgress &at) { return (bytes = at.bytes) <= at.bytes_total; };
    EXPECT(store.import_users(file, options, progress).find("\"members\":100,") != std::string::npos);
    EXPECT(bytes == file.size());
    EXPECT(store.import_users("email\n", options).find("\"rows\":0,") != std::string::npos);
    try {
        store.import_users(file, options, {}, R"({"kind":"user","user":"nobody","account":"acme"})");
        return 1;
    } catch (const tenantry::Error &error) {
        EXPECT(error.number() == TENANTRY_NOT_FOUND);
    }
    store.call("limits.set", R"({"account":"acme","limit":"email_per_day","value":2})");
    const tenantry::Sender gate = store.sender("acme");
    EXPECT(gate.admit() && store.admit("acme", "ann") && !gate.admit() && !store.admit("acme", std::nullopt));
    EXPECT(gate.decide().http_status() == 429 && gate.decide().smtp_reply() == "450 4.7.1");
    EXPECT(!gate.decide() && store.decide("acme", std::nullopt).limit() == "email_per_day");
    EXPECT(gate.try_admit().known() && !gate.try_admit().value() && gate.try_decide().value().limit() == "email_per_day");
    EXPECT(!store.try_admit("acme", std::nullopt).value() && !store.try_decide("acme", std::nullopt).value());
    const tenantry::Access check = store.access("acme", "ann", "campaigns.send");
    EXPECT(check.allowed() && check.try_allowed().value() && store.try_allowed("acme", "ann", "campaigns.send").value());
    EXPECT(!store.try_admit("nobody", "ann").known() && !store.try_allowed("acme", "nobody", "campaigns.send").known());
    try {
        store.try_decide("nobody", "ann").value();
        return 1;
    } catch (const std::logic_error &) {
    }
    return 0;
}
