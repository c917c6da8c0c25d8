// Who may do what, and how many messages may still go out: c++ -std=c++17 quickstart.cpp -ltenantry
#include <ctime>
#include <iomanip>
#include <iostream>

#include "tenantry.hpp"

int main(int count, char **words) try {
    tenantry::Store store(count > 1 ? words[1] : ":memory:");  // a folder keeps the store

    store.call("roles.create", R"({"id": "writer", "name": "Writer", "allow": [{"permission": "campaigns"}]})");
    store.call("packages.create", R"({"id": "small", "name": "Small", "limits": {"email_per_day": 3}})");
    store.call("accounts.create", R"({"id": "acme", "name": "Acme", "package": "small",
                                      "owner": {"user": "ann", "email": "ann@acme.example"}})");
    store.call("members.add", R"({"account": "acme", "user": "bob", "email": "bob@acme.example", "role": "writer"})");

    std::cout << "bob may delete the account: " << (store.allowed("acme", "bob", "accounts.delete") ? "yes" : "no") << '\n';

    const tenantry::Sender gate = store.sender("acme", "bob");
    tenantry::Decision decision = gate.decide();
    for (; decision; decision = gate.decide()) {
        std::cout << "sent one, " << decision.remaining().value_or(0) << " left\n";
    }
    std::cout << "refused: " << decision.reason() << ", " << decision.limit() << " is " << decision.raw.limit_value;
    if (const auto retry_at_ms = decision.retry_at_ms()) {
        const auto retry_at = static_cast<std::time_t>(*retry_at_ms / 1000);
        std::cout << ", again at " << std::put_time(std::gmtime(&retry_at), "%Y-%m-%dT%H:%M:%SZ");
    }
    std::cout << '\n';

    store.close();  // the destructor closes it too, but does not tell of errors
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
