// A message: may it go out, and what to do when it may not: c++ -std=c++17 message.cpp -ltenantry
#include <iostream>

#include "tenantry.hpp"

// ANCHOR: reply
/// One decision for all recipients of a message: they are charged in the same step, or none is.
static int reply(const tenantry::Sender &gate, std::uint64_t recipients) {
    const tenantry::Decision decision = gate.decide(recipients);
    if (decision) return 250;  // Only now put the message into the queue.
    std::cout << decision.reason() << " (" << decision.limit() << " is " << decision.raw.limit_value << ")\n";
    return decision.retry_at_ms() ? 452 : 550;  // Waiting helps, or it does not.
}
// ANCHOR_END: reply

int main() try {
    tenantry::Store t(":memory:");
    t.call("packages.create", R"({"id": "starter", "name": "Starter", "limits": {"email_per_day": 100}})");
    t.call("accounts.create", R"({"id": "acme", "name": "Acme", "package": "starter",
                                  "owner": {"user": "olga", "email": "olga@acme.example"}})");
    // ANCHOR: prepare
    // At log-in, or with the first message: who sends. Keep the handle, and ask it for every message.
    const tenantry::Sender gate = t.sender("acme", "olga", R"({"acting": {"ip": "203.0.113.7"}})");
    // ANCHOR_END: prepare
    const bool right = reply(gate, 98) == 250 && reply(gate, 3) == 452 && reply(gate, 101) == 550;
    t.close();
    return right ? 0 : 1;
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
