/* tenantry for C++17: tenantry.h with owning classes, std::string and exceptions. It is a header only. */
#ifndef TENANTRY_HPP
#define TENANTRY_HPP

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "tenantry.h"

namespace tenantry {

/// What a call throws: the number of the error, and everything that is known about it as JSON.
class Error : public std::runtime_error {
public:
    Error(std::int32_t number, std::string json)
        : std::runtime_error(json.empty() ? tenantry_error_sentence(number) : json),
          number_(number),
          json_(std::move(json)) {}

    /// The number, such as TENANTRY_ACCOUNT_SUSPENDED.
    std::int32_t number() const noexcept { return number_; }
    /// The name, such as "account_suspended".
    std::string_view name() const { return tenantry_error_name(number_); }
    /// The class, such as "state".
    std::string_view error_class() const { return tenantry_error_class(number_); }
    /// Whether the same request can succeed later: "never", "later", "again" or "reopen".
    std::string_view retry() const { return tenantry_error_retry(number_); }
    /// The status of HTTP with which a host answers its own client, from 400 to 599.
    int http_status() const { return tenantry_error_http_status(number_); }
    /// The reply of SMTP with which a host answers its own client, such as "450 4.7.1"; the host adds a text.
    std::string_view smtp_reply() const { return tenantry_error_smtp_reply(number_); }
    /// The error as JSON; empty for errors of checks and admissions, which have a number only.
    const std::string &json() const noexcept { return json_; }

private:
    std::int32_t number_;
    std::string json_;
};

namespace detail {

/// Takes the text over and frees the library's copy.
inline std::string take(tenantry_text &text) {
    struct Owner {
        tenantry_text &text;
        ~Owner() { tenantry_text_free(&text); }
    } owner{text};
    return text.data == nullptr ? std::string() : std::string(text.data, text.len);
}

inline void check(std::int32_t status) {
    if (status != TENANTRY_OK) throw Error(status, std::string());
}

/// Owns one handle and frees it.
template <typename Handle, void (*Free)(Handle)>
class Owner {
public:
    explicit Owner(Handle handle) noexcept : handle_(handle) {}
    Owner(Owner &&other) noexcept : handle_(std::exchange(other.handle_, Handle{0})) {}
    Owner &operator=(Owner &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    Owner(const Owner &) = delete;
    Owner &operator=(const Owner &) = delete;
    ~Owner() { Free(handle_); }

    Handle get() const noexcept { return handle_; }

private:
    Handle handle_;
};

}  // namespace detail

/// Something that has happened to a store, as `tenantry_log` describes it. Copy what is to be kept.
struct LogEvent {
    /// 1 for an error, 2 for a warning, 3 for information, 4 for debugging.
    std::int32_t level;
    std::string_view target;
    std::string_view message;
    /// A JSON object.
    std::string_view fields;
};

/// Has a function called with what happens to the stores of this process, in the place of the one before; an empty one ends
/// that. A thread of the library calls it; it must not throw, nor call `set_log`. `level` is that of `tenantry_set_log`.
inline void set_log(std::function<void(const LogEvent &)> log, std::int32_t level = 3) {
    using Log = std::function<void(const LogEvent &)>;
    static std::mutex one;
    static std::unique_ptr<Log> current;
    const tenantry_log tell = [](void *context, std::int32_t grave, const char *target, const char *message,
                                 const char *fields) noexcept {
        (*static_cast<Log *>(context))(LogEvent{grave, target, message, fields});
    };
    const std::lock_guard<std::mutex> guard(one);
    auto next = log ? std::make_unique<Log>(std::move(log)) : nullptr;
    detail::check(tenantry_set_log(next ? tell : nullptr, next.get(), level));
    // The one before is not called any more.
    current = std::move(next);
}

/// A decision about sending: tenantry_decision with C++ types.
struct Decision {
    tenantry_decision raw = TENANTRY_DECISION_INIT;

    /// Whether the messages may go out.
    explicit operator bool() const noexcept { return raw.code == TENANTRY_OK; }
    std::uint64_t granted() const noexcept { return raw.granted; }
    /// Why the messages may not go out, such as "quota_exceeded".
    std::string_view reason() const { return tenantry_error_name(raw.code); }
    /// The limit that refused, such as "email_per_day"; empty when no limit refused.
    std::string_view limit() const { return raw.limit; }
    /// When it can help to ask again, in milliseconds since 1970.
    std::optional<std::uint64_t> retry_at_ms() const {
        return raw.retry_at_ms == 0 ? std::nullopt : std::make_optional(raw.retry_at_ms);
    }
    /// The status of HTTP with which the host answers its own client: 200 for a grant, 429 where `retry_at_ms` says when.
    int http_status() const { return tenantry_decision_http_status(&raw); }
    /// The reply of SMTP, such as "250 2.0.0" or "450 4.7.1"; the host adds a text.
    std::string_view smtp_reply() const { return tenantry_decision_smtp_reply(&raw); }
    /// How many more messages could be granted now; none when nothing limits them.
    std::optional<std::uint64_t> remaining() const {
        return raw.remaining == TENANTRY_UNLIMITED ? std::nullopt : std::make_optional(raw.remaining);
    }
};

/// An answer from memory, or no answer when the disk is needed. It cannot be used in `if`: ask whether the answer is known,
/// and then for its value.
template <typename Answer>
class Tried {
public:
    Tried(bool known, const Answer &answer) : known_(known), answer_(answer) {}

    bool known() const noexcept { return known_; }
    /// The answer; throws when it is not known.
    const Answer &value() const & {
        demand();
        return answer_;
    }
    /// The same by value, for a temporary such as `sender.try_decide()`.
    Answer value() && {
        demand();
        return std::move(answer_);
    }
    explicit operator bool() const = delete;

private:
    void demand() const {
        if (!known_) throw std::logic_error("memory alone cannot tell");
    }

    bool known_;
    Answer answer_;
};

/// A prepared permission check.
class Access {
public:
    explicit Access(tenantry_access handle) noexcept : handle_(handle) {}

    bool allowed() const {
        bool allowed = false;
        detail::check(tenantry_access_allowed(handle_.get(), &allowed));
        return allowed;
    }

    /// Like `allowed`, but without an answer when it is not in memory and would need the disk.
    Tried<bool> try_allowed() const {
        bool allowed = false, known = false;
        detail::check(tenantry_access_try_allowed(handle_.get(), &allowed, &known));
        return Tried<bool>(known, allowed);
    }

private:
    detail::Owner<tenantry_access, tenantry_access_free> handle_;
};

/// A prepared sender.
class Sender {
public:
    explicit Sender(tenantry_sender handle) noexcept : handle_(handle) {}

    /// Asks to send `count` messages now. The answer is true when all of them are granted; they are charged then.
    [[nodiscard]] bool admit(std::uint64_t count = 1) const { return static_cast<bool>(decide(count)); }

    /// Like `admit`, but the answer is the whole decision.
    [[nodiscard]] Decision decide(std::uint64_t count = 1) const {
        Decision decision;
        detail::check(tenantry_sender_admit(handle_.get(), count, &decision.raw));
        return decision;
    }

    /// Like `admit`, but without an answer, and with nothing charged, when the decision would need the disk.
    [[nodiscard]] Tried<bool> try_admit(std::uint64_t count = 1) const {
        const Tried<Decision> tried = try_decide(count);
        return Tried<bool>(tried.known(), tried.known() && static_cast<bool>(tried.value()));
    }

    /// Like `try_admit`, but the answer is the whole decision.
    [[nodiscard]] Tried<Decision> try_decide(std::uint64_t count = 1) const {
        Decision decision;
        bool decided = false;
        detail::check(tenantry_sender_try_admit(handle_.get(), count, &decision.raw, &decided));
        return Tried<Decision>(decided, decision);
    }

private:
    detail::Owner<tenantry_sender, tenantry_sender_free> handle_;
};

/// How far an import has come.
struct ImportProgress {
    /// How many rows were read.
    std::uint64_t rows;
    /// How many bytes of the file were read.
    std::uint64_t bytes;
    /// How many bytes the file has.
    std::uint64_t bytes_total;
};

/// An open store. It is closed when it goes out of scope; call close() to be told of errors.
class Store {
public:
    /// `options` is a JSON object; an empty text stands for the defaults.
    explicit Store(std::string_view path, std::string_view options = {}) : handle_(open(path, options)) {}

    /// Runs an operation of the catalogue as the host itself, and answers its JSON.
    std::string call(std::string_view operation, std::string_view request = {}) const {
        return call_as({}, operation, request);
    }

    /// Runs an operation as an actor (as JSON; an empty text stands for the host itself), and answers its JSON.
    std::string call_as(std::string_view actor, std::string_view operation, std::string_view request) const {
        tenantry_text answer = {nullptr, 0};
        const std::int32_t status =
            tenantry_call(handle_.get(), actor.data(), actor.size(), operation.data(), operation.size(),
                          request.data(), request.size(), &answer);
        std::string json = detail::take(answer);
        if (status != TENANTRY_OK) throw Error(status, std::move(json));
        return json;
    }

    /// Imports a file of users and answers JSON; `options` are those of `tenantry_import_users`. `progress` is called after
    /// each part: the answer `false` stops the import, and so does an exception, which is thrown again. An empty actor stands
    /// for the host itself.
    std::string import_users(std::string_view csv, std::string_view options,
                             const std::function<bool(const ImportProgress &)> &progress = {},
                             std::string_view actor = {}) const {
        struct Context {
            const std::function<bool(const ImportProgress &)> &progress;
            std::exception_ptr thrown;
        } context{progress, nullptr};
        const tenantry_import_progress tell = [](void *pointer, std::uint64_t rows, std::uint64_t bytes,
                                                 std::uint64_t bytes_total) -> bool {
            Context &own = *static_cast<Context *>(pointer);
            try {
                return own.progress(ImportProgress{rows, bytes, bytes_total});
            } catch (...) {
                own.thrown = std::current_exception();
                return false;
            }
        };
        tenantry_text answer = {nullptr, 0};
        const std::int32_t status = tenantry_import_users(handle_.get(), actor.data(), actor.size(), options.data(),
                                                          options.size(), csv.data(), csv.size(),
                                                          progress ? tell : nullptr, &context, &answer);
        std::string json = detail::take(answer);
        if (context.thrown) std::rethrow_exception(context.thrown);
        if (status != TENANTRY_OK) throw Error(status, std::move(json));
        return json;
    }

    Access access(std::string_view account, std::string_view user, std::string_view permission) const {
        tenantry_access handle = {0};
        detail::check(tenantry_access_prepare(handle_.get(), account.data(), account.size(), user.data(), user.size(),
                                              permission.data(), permission.size(), &handle));
        return Access(handle);
    }

    /// Without a user, the host itself sends for the account. `options` are those of `tenantry_sender_prepare`.
    Sender sender(std::string_view account, std::optional<std::string_view> user = std::nullopt,
                  std::string_view options = {}) const {
        tenantry_sender handle = {0};
        const std::string_view name = given(user);
        detail::check(tenantry_sender_prepare(handle_.get(), account.data(), account.size(), name.data(), name.size(),
                                              options.data(), options.size(), &handle));
        return Sender(handle);
    }

    bool allowed(std::string_view account, std::string_view user, std::string_view permission) const {
        bool allowed = false;
        detail::check(tenantry_allowed(handle_.get(), account.data(), account.size(), user.data(), user.size(),
                                       permission.data(), permission.size(), &allowed));
        return allowed;
    }

    /// Like `allowed`, but without an answer when it is not in memory and would need the disk.
    Tried<bool> try_allowed(std::string_view account, std::string_view user, std::string_view permission) const {
        bool allowed = false, known = false;
        detail::check(tenantry_try_allowed(handle_.get(), account.data(), account.size(), user.data(), user.size(),
                                           permission.data(), permission.size(), &allowed, &known));
        return Tried<bool>(known, allowed);
    }

    /// Asks to send `count` messages now. The answer is true when all of them are granted; they are charged then.
    [[nodiscard]] bool admit(std::string_view account, std::optional<std::string_view> user,
                             std::uint64_t count = 1) const {
        return static_cast<bool>(decide(account, user, count));
    }

    /// Like `admit`, but the answer is the whole decision.
    [[nodiscard]] Decision decide(std::string_view account, std::optional<std::string_view> user,
                                  std::uint64_t count = 1) const {
        Decision decision;
        const std::string_view name = given(user);
        detail::check(tenantry_admit(handle_.get(), account.data(), account.size(), name.data(), name.size(), count,
                                     &decision.raw));
        return decision;
    }

    /// Like `admit`, but without an answer, and with nothing charged, when the decision would need the disk.
    [[nodiscard]] Tried<bool> try_admit(std::string_view account, std::optional<std::string_view> user,
                                        std::uint64_t count = 1) const {
        const Tried<Decision> tried = try_decide(account, user, count);
        return Tried<bool>(tried.known(), tried.known() && static_cast<bool>(tried.value()));
    }

    /// Like `try_admit`, but the answer is the whole decision.
    [[nodiscard]] Tried<Decision> try_decide(std::string_view account, std::optional<std::string_view> user,
                                             std::uint64_t count = 1) const {
        Decision decision;
        bool decided = false;
        const std::string_view name = given(user);
        detail::check(tenantry_try_admit(handle_.get(), account.data(), account.size(), name.data(), name.size(), count,
                                         &decision.raw, &decided));
        return Tried<Decision>(decided, decision);
    }

    void close() { detail::check(tenantry_close(handle_.get())); }

    /// The C handle, which stays this object's.
    tenantry_store get() const noexcept { return handle_.get(); }

private:
    static tenantry_store open(std::string_view path, std::string_view options) {
        tenantry_store handle = {0};
        tenantry_text error = {nullptr, 0};
        const std::int32_t status =
            tenantry_open(path.data(), path.size(), options.data(), options.size(), &handle, &error);
        std::string json = detail::take(error);
        if (status != TENANTRY_OK) throw Error(status, std::move(json));
        return handle;
    }

    /// NULL says "no user" in C, so an empty name must not be NULL.
    static std::string_view given(std::optional<std::string_view> user) {
        if (!user) return {};
        return user->data() == nullptr ? std::string_view("", 0) : *user;
    }

    detail::Owner<tenantry_store, tenantry_free> handle_;
};

}  // namespace tenantry

#endif  // TENANTRY_HPP
