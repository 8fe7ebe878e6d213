#include "tls/talk_for_test.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "tls/material.h"
#include "tls/role.h"

namespace bd::tls {
namespace {

class NoRole final : public Role {
 public:
  explicit NoRole(RawPeer& peer) : peer_(peer) {}
  [[nodiscard]] std::string_view server_name() const override { return {}; }
  [[nodiscard]] RawPeer& peer() const { return peer_; }

 private:
  RawPeer& peer_;
};

int keep_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<NoRole&>(*role_of(ssl)).peer().sessions.emplace_back(session);
  return 1;
}

}  // namespace

Wire::Moved MemoryWire::receive(std::span<char> into) {
  ++receives;
  if (broken) return {Status::error, 0};
  const std::size_t size = std::min({into.size(), in_.bytes.size(), piece_});
  if (size == 0) return {in_.ended ? Status::end : Status::again, 0};
  std::copy_n(in_.bytes.begin(), size, into.begin());
  in_.bytes.erase(0, size);
  return {Status::ok, size};
}

Wire::Moved MemoryWire::send(std::string_view from) {
  ++sends;
  if (broken) return {Status::error, 0};
  const std::size_t space = out_.room - std::min(out_.room, out_.bytes.size());
  const std::size_t size = std::min({from.size(), space, piece_});
  if (size == 0) return {Status::again, 0};
  out_.bytes.append(from.substr(0, size));
  return {Status::ok, size};
}

RawPeer::RawPeer(RawOptions raw, bool server)
    : options(std::move(raw)),
      server_(server),
      context_(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method())) {
  SSL_CTX* const ssl = context_.get();
  SSL_CTX_set_security_level(ssl, 0);
  SSL_CTX_set_min_proto_version(ssl, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(ssl, options.max_version);
  if (options.signatures != nullptr) {
    BD_ASSERT(SSL_CTX_set1_sigalgs_list(ssl, options.signatures) == 1);
  }
  if (options.ciphers != nullptr) BD_ASSERT(SSL_CTX_set_cipher_list(ssl, options.ciphers) == 1);
  if (options.groups != nullptr) BD_ASSERT(SSL_CTX_set1_groups_list(ssl, options.groups) == 1);
  if (!options.alpn.empty()) {
    SSL_CTX_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(options.alpn.data()),
                            static_cast<unsigned>(options.alpn.size()));
  }
  if (options.certificate) {
    const auto one = load(*options.certificate);
    BD_ASSERT(one.has_value());
    SSL_CTX_use_cert_and_key(ssl, (*one)->leaf.get(), (*one)->key.get(), (*one)->chain.get(), 1);
  }
  if (!server) {
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, keep_session);
  }
}

std::unique_ptr<Session> RawPeer::open(Wire& wire, bool resume) {
  last_ = SSL_new(context_.get());
  if (!options.server_name.empty()) SSL_set_tlsext_host_name(last_, options.server_name.c_str());
  if (server_) {
    SSL_set_accept_state(last_);
  } else {
    SSL_set_connect_state(last_);
    if (resume && !sessions.empty()) SSL_set_session(last_, sessions.back().get());
  }
  return std::make_unique<Session>(last_, wire, std::make_unique<NoRole>(*this));
}

std::string RawPeer::peer_key() const {
  X509* const shown = SSL_get0_peer_certificate(last_);
  return shown != nullptr ? EVP_PKEY_get0_type_name(X509_get0_pubkey(shown)) : "";
}

std::string RawPeer::peer_sha256() const {
  X509* const shown = SSL_get0_peer_certificate(last_);
  return shown != nullptr ? fingerprint(shown) : "";
}

Talk::Talk(ServerContext& context, ClientContext& by, std::size_t piece) : Talk(piece) {
  client = by.connect(client_wire);
  server = context.accept(server_wire);
}

Talk::Talk(ServerContext& context, RawPeer& by, std::size_t piece, bool resume) : Talk(piece) {
  client = by.open(client_wire, resume);
  server = context.accept(server_wire);
}

bool Talk::handshake() {
  using enum Session::Status;
  for (int round = 0; round < 100'000; ++round) {
    const Session::Status one = client->handshake();
    const Session::Status other = server->handshake();
    if (one == error || other == error) {
      if (one != error) (void)(client->handshake() == ok && client->read({}).status == ok);
      return false;
    }
    if (one == ok && other == ok) return true;
  }
  return false;
}

std::string Talk::read_all(Session& from, Session::Status* status) {
  std::string out;
  for (;;) {
    char buffer[20'000];
    const Session::Moved moved = from.read(buffer);
    out.append(buffer, moved.bytes);
    if (moved.status == Session::Status::ok) continue;
    if (status != nullptr) *status = moved.status;
    return out;
  }
}

std::string Talk::send(Session& from, Session& to, std::string_view bytes) {
  std::string out;
  for (;;) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    const Session::Moved moved = from.write({&part, 1});
    if (moved.status == Session::Status::error) return out;
    bytes.remove_prefix(moved.bytes);
    out += read_all(to);
    if (bytes.empty()) return out;
  }
}

ServerOptions server_options(std::vector<std::shared_ptr<const KeyPair>> certificates) {
  ServerOptions out;
  out.certificates = std::move(certificates);
  return out;
}

std::unique_ptr<ServerContext> make_server(const ServerOptions& options) {
  auto made = ServerContext::create(options);
  BD_ASSERT(made.has_value());
  return std::move(*made);
}

std::unique_ptr<ClientContext> make_client(const ClientOptions& options) {
  auto made = ClientContext::create(options);
  BD_ASSERT(made.has_value());
  return std::move(*made);
}

TicketKey ticket_key(unsigned char seed) {
  TicketKey key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<unsigned char>(seed + i * 7);
  return key;
}

}  // namespace bd::tls
