// No field that a client sends may choose whom it is taken for. The fields of a request go through
// the whole of decide, from a peer that is trusted and from one that is not, and what comes out for
// the upstream is parsed again.
//
// The input: fields as they stand in a head, without its first line and Host.
#include <algorithm>

#include "base/ascii.h"
#include "base/check.h"
#include "decide/ask_for_test.h"
#include "decide/rewrite.h"
#include "http1/head.h"

namespace {

using namespace bd;
using decide::Decision;

const decide::Listener& listener() {
  static const decide::Listener out = decide::testing::listener(
      {{"", decide::testing::prefix("/"), model::Forward{"shop/web:80"}}});
  return out;
}

/// The last entry alone decides, and nothing changes if there is no address in it.
void check_last_entry(std::string_view value) {
  const IpAddress before = IpAddress::v4({203, 0, 113, 1});
  IpAddress found = before;
  const bool good = decide::last_forwarded_for(value, found);
  BD_ASSERT(good || found == before);
  for (const std::string_view front : {"10.9.8.7, ", "unknown,", "[::1]:1 , "}) {
    IpAddress again = before;
    BD_ASSERT(decide::last_forwarded_for(std::string(front).append(value), again) == good);
    BD_ASSERT(again == found);
  }
  if (!good) return;
  // What was found is an address that would be found again, also with a port.
  for (const std::string& text : {found.text(), SocketAddress{found, 4711}.text()}) {
    IpAddress again;
    BD_ASSERT(decide::last_forwarded_for(text, again) && again == found);
  }
}

const http::Field* last_forwarded(const http::Fields& fields) {
  const http::Field* out = nullptr;
  for (const http::Field& field : fields) {
    if (ascii::equal_fold(field.name, "x-forwarded-for")) out = &field;
  }
  return out;
}

void check_decision(const Decision& decision, const decide::Request& request, bool trusted) {
  const http::Field* const last = last_forwarded(*request.fields);
  BD_ASSERT(decision.peer_trusted == trusted);
  BD_ASSERT(decision.forwarded_for_ignored == (last != nullptr && !trusted));
  IpAddress want = request.peer.ip;
  if (trusted && last != nullptr) {
    if (IpAddress named; decide::last_forwarded_for(last->value, named)) want = named;
  }
  BD_ASSERT(decision.client == want);
}

/// The only field with this id, and its value.
void check_only(const http::Fields& fields, http::FieldName id, std::string_view value) {
  const auto is_it = [id](const http::Field& field) { return field.id == id; };
  BD_ASSERT(std::count_if(fields.begin(), fields.end(), is_it) == 1);
  const http::Field* const field = http::find(fields, id);
  BD_ASSERT(field->value == value && !http::is_look_alike(*field));
}

void check_rewritten(const Decision& decision, const decide::Request& request) {
  std::string head;
  const decide::RequestId number = decide::RequestId::make(1, 2);
  decide::append_request_head(head, {listener(), request, "GET", decision, number});
  http1::RequestHead out;
  // Ours are some more fields than the client's.
  const auto parsed =
      http1::RequestParser({.head_max = 1 << 20, .fields_max = 200}).parse(head, out);
  BD_ASSERT(parsed && *parsed == head.size());

  std::string chain = decision.client.text();
  if (decision.client != request.peer.ip) chain += ", " + request.peer.ip.text();
  check_only(out.fields, http::FieldName::x_forwarded_for, chain);
  check_only(out.fields, http::FieldName::x_forwarded_proto, "http");
  check_only(out.fields, http::FieldName::x_forwarded_host, "shop.example.com");
  check_only(out.fields, http::FieldName::x_forwarded_port,
             std::to_string(listener().facts.public_port));
  for (const auto id : {http::FieldName::forwarded, http::FieldName::x_real_ip,
                        http::FieldName::x_client_ip, http::FieldName::true_client_ip,
                        http::FieldName::other_identity, http::FieldName::x_forwarded_other}) {
    BD_ASSERT(http::find(out.fields, id) == nullptr);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string head = "GET /cart HTTP/1.1\r\nHost: shop.example.com\r\n" +
                           std::string(reinterpret_cast<const char*>(data), size) + "\r\n";
  http1::RequestHead parsed_head;
  const auto parsed = http1::RequestParser({}).parse(head, parsed_head);
  if (!parsed || !*parsed) return 0;
  for (const http::Field& field : parsed_head.fields) check_last_entry(field.value);
  for (const bool trusted : {false, true}) {
    for (const bool v6 : {false, true}) {
      // Only 10.0.0.0/8 is trusted by this listener.
      if (trusted && v6) continue;
      const char* const peer = trusted ? "10.1.2.3:4711" : v6 ? "[2001:db8::9]:1" : "192.0.2.7:1";
      const decide::Request request{parsed_head.method,
                                    parsed_head.target,
                                    parsed_head.host,
                                    &parsed_head.fields,
                                    SocketAddress::parse(peer).value(),
                                    {}};
      const Decision decision = decide::decide(listener(), request, {});
      check_decision(decision, request, trusted);
      // Too many addresses are refused, and a refused request is never written.
      if (decision.cause == decide::Cause::none) check_rewritten(decision, request);
    }
  }
  return 0;
}
