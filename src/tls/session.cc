#include "tls/session.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "tls/material.h"
#include "tls/role.h"

namespace bd::tls {
namespace {

constexpr std::size_t kRecord = 16 << 10;  // RFC 8446 §5.1: plaintext of one record.

/// Walks over the bytes of several parts.
class Parts {
 public:
  explicit Parts(std::span<const iovec> parts) : parts_(parts) { drop_empty(); }
  [[nodiscard]] bool empty() const { return parts_.empty(); }

  /// The next bytes, `most` if there are so many: in place if one part has them all, else gathered
  /// in `scratch`, which need not live on.
  std::string_view peek(std::size_t most, std::span<char> scratch) const {
    const std::string_view first = at(0);
    if (first.size() >= most || parts_.size() == 1) return first.substr(0, most);
    std::size_t size = 0;
    for (std::size_t i = 0; i < parts_.size() && size < most; ++i) {
      const std::string_view part = at(i).substr(0, most - size);
      std::copy(part.begin(), part.end(), scratch.data() + size);
      size += part.size();
    }
    return {scratch.data(), size};
  }
  void skip(std::size_t bytes) {
    while (bytes > 0) {
      const std::size_t step = std::min(bytes, at(0).size());
      offset_ += step;
      bytes -= step;
      drop_empty();
    }
  }

 private:
  [[nodiscard]] std::string_view at(std::size_t i) const {
    const std::string_view whole(static_cast<const char*>(parts_[i].iov_base), parts_[i].iov_len);
    return i == 0 ? whole.substr(offset_) : whole;
  }
  void drop_empty() {
    while (!parts_.empty() && at(0).empty()) {
      parts_ = parts_.subspan(1);
      offset_ = 0;
    }
  }
  std::span<const iovec> parts_;
  std::size_t offset_ = 0;  // Into the first part.
};

/// KeyUpdates cost us more than the peer, so they are counted: line.cc stops at too many.
void count_messages(int sent, int, int type, const void* bytes, std::size_t size, SSL* ssl, void*) {
  if (sent != 0 || type != SSL3_RT_HANDSHAKE || size == 0) return;
  if (*static_cast<const unsigned char*>(bytes) == SSL3_MT_KEY_UPDATE) ++line_of(ssl).key_updates;
}

std::string serial_text(X509* certificate) {
  const std::unique_ptr<BIGNUM, FreeBy<BN_free>> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (!number) return {};
  char* const text = BN_bn2hex(number.get());
  std::string out = text != nullptr ? text : "";
  OPENSSL_free(text);
  return out;
}

Peer describe(X509* certificate, bool verified) {
  const OwnBio pem(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(pem.get(), certificate);
  return {.present = true,
          .verified = verified,
          .subject = name_text(X509_get_subject_name(certificate)),
          .issuer = name_text(X509_get_issuer_name(certificate)),
          .serial = serial_text(certificate),
          .sha256 = fingerprint(certificate),
          .pem = written(pem.get())};
}

}  // namespace

Role* role_of(const ssl_st* ssl) {
  return static_cast<Role*>(SSL_get_app_data(ssl));
}

void Session::Free::operator()(ssl_st* ssl) const noexcept {
  SSL_free(ssl);
}

Session::Session(ssl_st* owned, Wire& wire, std::unique_ptr<Role> role)
    : line_{.wire = &wire}, role_(std::move(role)), ssl_(owned) {
  BIO* const bio = open_line(line_);
  BD_ASSERT(bio != nullptr);
  SSL_set_bio(owned, bio, bio);
  SSL_set_app_data(owned, role_.get());
  SSL_set_mode(owned, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_set_read_ahead(owned, 1);
  SSL_set_msg_callback(owned, count_messages);
}

Session::~Session() {
  // To OpenSSL a session without close_notify looks attacked, and is never resumed. HTTP peers just
  // close; what they may rely on was already framed.
  if (!fatal_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

Session::Status Session::die(std::string text) {
  fatal_ = true;
  error_ = std::move(text);
  ERR_clear_error();
  return Status::error;
}

Session::Status Session::failed(int result) {
  const int kind = SSL_get_error(ssl_.get(), result);
  if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
    wants_write_ = kind == SSL_ERROR_WANT_WRITE;
    starved_ = !wants_write_;
    return Status::again;
  }
  if (kind == SSL_ERROR_ZERO_RETURN) return Status::end;
  if (kind == SSL_ERROR_SSL) {
    const bool verification =
        ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    std::string text = take_error();
    if (verification) {
      const long why = SSL_get_verify_result(ssl_.get());
      text += fmt::format(": {}", X509_verify_cert_error_string(why));
    }
    return die(std::move(text));
  }
  if (line_.flooded) return die("the peer sends records without data");
  if (line_.broken) return die("the connection is broken");
  if (line_.ended) {
    if (!done()) return die("the peer left during the handshake");
    error_ = "truncated";  // Not fatal: the peer may still read.
    return Status::error;
  }
  return die("TLS failed without a reason");
}

Session::Status Session::handshake() {
  if (fatal_) return Status::error;
  if (!flush(line_) && !line_.broken) return waits_for_room();
  if (done()) return ready();
  line_.fruitless = 0;
  line_.held.reserve(kHeldMax);
  forget_errors();
  line_.holds = true;
  const int result = SSL_do_handshake(ssl_.get());
  line_.holds = false;
  // With the peer's first data here, an answer follows that the tickets can go with.
  const bool waits = result == 1 && SSL_has_pending(ssl_.get()) == 1;
  const bool flushed = waits || flush(line_);
  if (result != 1) {
    const Status status = failed(result);
    if (status == Status::end) return die("the peer left during the handshake");
    if (status != Status::again) return status;
  }
  if (!flushed && !line_.broken) return waits_for_room();
  return result == 1 ? ready() : Status::again;
}

Session::Status Session::ready() {
  starved_ = false;
  wants_write_ = false;
  return Status::ok;
}

Session::Status Session::waits_for_room() {
  wants_write_ = true;
  return Status::again;
}

Session::Moved Session::read(std::span<char> into) {
  if (fatal_ || last_ != Status::ok) {
    told_ = true;
    return {last_ != Status::ok ? last_ : Status::error, 0};
  }
  line_.fruitless = 0;
  std::size_t total = 0;
  while (total < into.size()) {
    // One look at the wire; then only what it gave.
    if (total > 0 && SSL_has_pending(ssl_.get()) == 0) break;
    line_.muted = total > 0;
    forget_errors();
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got);
    line_.muted = false;
    if (result != 1) {
      const Status status = failed(result);
      if (status != Status::again) last_ = status;
      flush(line_);  // No answer comes soon that it could go with.
      if (total == 0) {
        told_ = last_ != Status::ok;
        return {status, 0};
      }
      break;
    }
    total += got;
    starved_ = false;
    line_.fruitless = 0;
    line_.key_updates = 0;
  }
  return {Status::ok, total};
}

Session::Moved Session::write(std::span<const iovec> from) {
  if (fatal_) return {Status::error, 0};
  if (!done()) return {Status::again, 0};
  // What is gathered here is encrypted at once: nothing of it is needed after the call.
  thread_local std::array<char, kRecord> scratch;
  std::size_t total = 0;
  for (Parts parts(from); !parts.empty();) {
    const std::string_view chunk = parts.peek(unsent_ > 0 ? unsent_ : kRecord, scratch);
    BD_ASSERT(chunk.size() >= unsent_);  // Else the caller broke the contract of `again`.
    forget_errors();
    std::size_t taken = 0;
    const int result = SSL_write_ex(ssl_.get(), chunk.data(), chunk.size(), &taken);
    if (result != 1) {
      const bool wants_write = wants_write_;  // That of a read: a write does not speak for it.
      const bool starved = starved_;
      const Status status = failed(result);
      wants_write_ = wants_write;
      starved_ = starved;
      if (status != Status::again) return {Status::error, 0};
      unsent_ = chunk.size();
      return {total > 0 ? Status::ok : Status::again, total};
    }
    unsent_ = 0;
    total += taken;
    parts.skip(taken);
  }
  return {Status::ok, total};
}

bool Session::has_pending() const {
  if (last_ != Status::ok) return !told_;
  return !fatal_ && !starved_ && SSL_has_pending(ssl_.get()) == 1;
}

void Session::close() {
  if (closed_ || fatal_ || !done()) return;
  closed_ = true;
  forget_errors();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

bool Session::done() const {
  return SSL_is_init_finished(ssl_.get()) == 1;
}

std::string_view Session::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string_view Session::server_name() const {
  return role_->server_name();
}

Version Session::version() const {
  return SSL_version(ssl_.get()) == TLS1_3_VERSION ? Version::tls13 : Version::tls12;
}

std::string_view Session::cipher() const {
  return SSL_get_cipher_name(ssl_.get());
}

bool Session::resumed() const {
  return SSL_session_reused(ssl_.get()) == 1;
}

bool Session::covers(std::string_view host) const {
  return done() && role_->covers(ssl_.get(), host);
}

bool Session::satisfies(std::string_view host) const {
  return done() && role_->satisfies(ssl_.get(), host);
}

const Peer* Session::client_certificate() const {
  if (!done() || SSL_is_server(ssl_.get()) == 0) return nullptr;
  if (!peer_) {
    X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
    if (certificate == nullptr) return nullptr;
    peer_ = describe(certificate, SSL_get_verify_result(ssl_.get()) == X509_V_OK);
  }
  return &*peer_;
}

}  // namespace bd::tls
