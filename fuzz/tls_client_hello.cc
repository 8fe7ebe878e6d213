// Whatever a client sends first, a server answers, waits or refuses; and it does the same however
// the bytes are cut into reads.
#include <algorithm>

#include "base/check.h"
#include "tls/server_context.h"

namespace bd::tls {
namespace {

/// Gives bytes in pieces, then silence, and takes everything.
class ScriptedWire final : public Wire {
 public:
  ScriptedWire(std::string_view bytes, std::size_t piece) : bytes_(bytes), piece_(piece) {}
  Moved receive(std::span<char> into) override {
    const std::size_t size = std::min({into.size(), piece_, bytes_.size()});
    if (size == 0) return {Status::again, 0};
    std::copy_n(bytes_.begin(), size, into.begin());
    bytes_.remove_prefix(size);
    return {Status::ok, size};
  }
  Moved send(std::string_view from) override {
    sent_ += from.size();
    return {Status::ok, from.size()};
  }
  [[nodiscard]] std::size_t sent() const { return sent_; }

 private:
  std::string_view bytes_;
  std::size_t piece_;
  std::size_t sent_ = 0;
};

std::unique_ptr<ServerContext> make_context() {
  const std::string names[] = {"a.example", "*.b.example"};
  auto pair = self_signed(names, 30);
  BD_ASSERT(pair.has_value());
  ServerOptions options;
  options.self_signed = true;
  options.tickets = {TicketKey{}};
  options.hosts = {
      {"must.example", Version::tls12, ClientAuth::required, pair->chain},
      {"new.example", Version::tls13, ClientAuth::none, ""},
  };
  options.certificates = {std::make_shared<const KeyPair>(std::move(*pair))};
  auto context = ServerContext::create(options);
  BD_ASSERT(context.has_value());
  return std::move(*context);
}

struct Outcome {
  Session::Status status;
  std::string name;
  bool answered;
  bool operator==(const Outcome&) const = default;
};

Outcome judge(std::string_view raw, std::size_t piece) {
  static const std::unique_ptr<ServerContext> context = make_context();
  ScriptedWire wire(raw, piece);
  const auto session = context->accept(wire);
  const Session::Status status = session->handshake();
  BD_ASSERT(status == Session::Status::again || status == Session::Status::error);
  BD_ASSERT(!session->done() && session->client_certificate() == nullptr);
  BD_ASSERT((status == Session::Status::error) == (*session->error() != '\0'));
  BD_ASSERT(session->handshake() == status);  // Silence changes nothing.
  char byte = 0;
  BD_ASSERT(session->read({&byte, 1}).bytes == 0);
  session->close();
  return {status, std::string(session->server_name()), wire.sent() > 0};
}

}  // namespace
}  // namespace bd::tls

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  const auto whole = bd::tls::judge(raw, size + 1);
  for (const std::size_t piece : {1uz, 7uz}) BD_ASSERT(bd::tls::judge(raw, piece) == whole);
  return 0;
}
