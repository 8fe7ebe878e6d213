#include "source/kube_client.h"

#include <curl/curl.h>

#include "base/address.h"
#include "base/check.h"
#include "model/limits.h"
#include "source/file_text.h"

namespace bd::source {
namespace {

constexpr long kConnectTimeoutMs = 10'000;
constexpr long kKeepAliveSeconds =
    20;  // Finds a peer that vanished long before bookmarks are missed.
constexpr std::size_t kCredentialBytesMax = 1u << 20;

struct UrlParts {
  std::string scheme, host, port;
};

std::string url_part(CURLU* url, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

UrlParts split(const std::string& server) {
  CURLU* url = curl_url();
  curl_url_set(url, CURLUPART_URL, server.c_str(), 0);
  UrlParts parts{url_part(url, CURLUPART_SCHEME, 0), url_part(url, CURLUPART_HOST, 0),
                 url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT)};
  curl_url_cleanup(url);
  return parts;
}

/// `server` with another host in it: libcurl checks a certificate against the name in the URL.
std::string with_host(const std::string& server, const std::string& host) {
  CURLU* url = curl_url();
  curl_url_set(url, CURLUPART_URL, server.c_str(), 0);
  curl_url_set(url, CURLUPART_HOST, host.c_str(), 0);
  std::string out = url_part(url, CURLUPART_URL, 0);
  curl_url_cleanup(url);
  while (out.ends_with('/')) out.pop_back();
  return out;
}

bool is_loopback(const std::string& host) {
  const auto address = IpAddress::parse(host);
  return host == "localhost" || (address && address->is_loopback());
}

}  // namespace

struct KubeClient::Lane {
  Receiver receiver;
  CURL* easy = nullptr;
  bool busy = false;
  curl_slist* fields = nullptr;
  curl_slist* connect_to = nullptr;
  std::string ca, url;  // What libcurl borrows while the request runs.
  char error[CURL_ERROR_SIZE] = "";

  void reset() {
    curl_easy_reset(easy);
    curl_slist_free_all(std::exchange(fields, nullptr));
    curl_slist_free_all(std::exchange(connect_to, nullptr));
    error[0] = '\0';
  }

  /// libcurl's words, where they don't change from one attempt to the next.
  [[nodiscard]] std::string words(CURLcode result) const {
    long code = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &code);
    if (result == CURLE_OK) return {};
    if (result == CURLE_COULDNT_CONNECT && code != 0) return system_message(static_cast<int>(code));
    if (result == CURLE_OPERATION_TIMEDOUT || error[0] == '\0') return curl_easy_strerror(result);
    return error;
  }

  static std::size_t on_field(char* bytes, std::size_t, std::size_t size, void* self) {
    auto* lane = static_cast<Lane*>(self);
    const bool ends_head = std::string_view(bytes, size) == "\r\n" || size <= 1;
    long status = 0;
    curl_easy_getinfo(lane->easy, CURLINFO_RESPONSE_CODE, &status);
    if (ends_head && status >= 200) lane->receiver.head(status);
    return size;
  }
  static std::size_t on_data(char* bytes, std::size_t, std::size_t size, void* self) {
    const bool more = static_cast<Lane*>(self)->receiver.data(std::string_view(bytes, size));
    return more ? size : CURL_WRITEFUNC_ERROR;
  }
};

struct KubeClient::Hidden {
  CURLM* multi = nullptr;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::string base;        // Scheme, host and port of the URLs.
  std::string host_field;  // Only where the URL carries another name.
  std::string connect_to;
  std::string token;  // The last that could be read.
  bool direct = false;

  void read_access(const KubeAccess& access) {
    base = access.server;
    const UrlParts parts = split(access.server);
    direct = is_loopback(parts.host);
    if (access.server_name.empty()) return;
    base = with_host(access.server, access.server_name);
    host_field = fmt::format("Host: {}:{}", parts.host, parts.port);
    connect_to = fmt::format("{}:{}:{}:{}", access.server_name, parts.port, parts.host, parts.port);
  }

  /// Empty: there is none, or an error.
  std::expected<std::string, std::string> authorization(const KubeAccess& access) {
    if (access.token_file.empty()) {
      token = access.token;
    } else if (auto text = read_text(access.token_file, kCredentialBytesMax)) {
      while (!text->empty() && static_cast<unsigned char>(text->back()) <= ' ') text->pop_back();
      token = std::move(*text);
    } else if (token.empty()) {
      return std::unexpected(fmt::format("{}: {}", access.token_file, text.error().what));
    }
    if (token.find_first_of("\r\n") != std::string::npos) {
      return std::unexpected("the token has more than one line");
    }
    return token.empty() ? "" : "Authorization: Bearer " + token;
  }
};

KubeClient::KubeClient(KubeAccess access)
    : access_(std::move(access)), hidden_(std::make_unique<Hidden>()) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  BD_ASSERT(ready == CURLE_OK);
  hidden_->multi = curl_multi_init();
  hidden_->read_access(access_);
}

KubeClient::~KubeClient() {
  for (std::size_t i = 0; i < hidden_->lanes.size(); ++i) {
    drop(i);
    hidden_->lanes[i]->reset();
    curl_easy_cleanup(hidden_->lanes[i]->easy);
  }
  curl_multi_cleanup(hidden_->multi);
}

void KubeClient::add_lane(Receiver receiver) {
  auto lane = std::make_unique<Lane>();
  lane->receiver = std::move(receiver);
  lane->easy = curl_easy_init();
  hidden_->lanes.push_back(std::move(lane));
}

bool KubeClient::busy(std::size_t lane) const {
  return hidden_->lanes[lane]->busy;
}

namespace {

void set_blob(CURL* easy, CURLoption option, const std::string& data) {
  curl_blob blob{const_cast<char*>(data.data()), data.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

void set_file_or_blob(CURL* easy, CURLoption file_option, const std::string& file,
                      CURLoption blob_option, const std::string& data) {
  if (!data.empty()) set_blob(easy, blob_option, data);
  if (!file.empty()) curl_easy_setopt(easy, file_option, file.c_str());
}

/// How to prove who we are and who they are. `ca` must outlive the request.
std::expected<void, std::string> set_tls(CURL* easy, const KubeAccess& access, std::string& ca) {
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (access.insecure_skip_verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  // As bytes, not as a file name: libcurl would keep a file's certificates for a day.
  ca = access.ca_data;
  if (ca.empty() && !access.ca_file.empty()) {
    auto text = read_text(access.ca_file, kCredentialBytesMax);
    if (!text) return std::unexpected(fmt::format("{}: {}", access.ca_file, text.error().what));
    ca = std::move(*text);
  }
  if (!ca.empty()) set_blob(easy, CURLOPT_CAINFO_BLOB, ca);
  set_file_or_blob(easy, CURLOPT_SSLCERT, access.client_cert_file, CURLOPT_SSLCERT_BLOB,
                   access.client_cert_data);
  set_file_or_blob(easy, CURLOPT_SSLKEY, access.client_key_file, CURLOPT_SSLKEY_BLOB,
                   access.client_key_data);
  return {};
}

void set_transport(CURL* easy, const KubeAccess& access, bool direct) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kKeepAliveSeconds);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kKeepAliveSeconds);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, access.user_agent.c_str());
  if (direct || !access.proxy.empty()) {
    curl_easy_setopt(easy, CURLOPT_PROXY, direct ? "" : access.proxy.c_str());
  }
}

}  // namespace

std::expected<void, std::string> KubeClient::get(std::size_t number, const std::string& target,
                                                 std::chrono::seconds timeout) {
  Lane& lane = *hidden_->lanes[number];
  BD_ASSERT(!lane.busy);
  lane.reset();
  CURL* const easy = lane.easy;
  set_transport(easy, access_, hidden_->direct);
  if (auto tls = set_tls(easy, access_, lane.ca); !tls) return tls;
  const auto authorization = hidden_->authorization(access_);
  if (!authorization) return std::unexpected(authorization.error());
  lane.fields = curl_slist_append(lane.fields, "Accept: application/json");
  for (const std::string& field : {*authorization, hidden_->host_field}) {
    if (!field.empty()) lane.fields = curl_slist_append(lane.fields, field.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lane.fields);
  if (!hidden_->connect_to.empty()) {
    lane.connect_to = curl_slist_append(nullptr, hidden_->connect_to.c_str());
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, lane.connect_to);
  }
  curl_easy_setopt(easy, CURLOPT_URL, (hidden_->base + target).c_str());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, static_cast<long>(timeout.count()));
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, lane.error);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &lane);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Lane::on_field);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &lane);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Lane::on_data);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &lane);
  curl_multi_add_handle(hidden_->multi, easy);
  lane.busy = true;
  return {};
}

void KubeClient::drop(std::size_t number) {
  Lane& lane = *hidden_->lanes[number];
  if (!std::exchange(lane.busy, false)) return;
  curl_multi_remove_handle(hidden_->multi, lane.easy);
}

void KubeClient::poll(std::chrono::milliseconds pause) {
  int running = 0;
  curl_multi_poll(hidden_->multi, nullptr, 0, static_cast<int>(pause.count()), nullptr);
  curl_multi_perform(hidden_->multi, &running);
  int queued = 0;
  while (const CURLMsg* message = curl_multi_info_read(hidden_->multi, &queued)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    CURL* const easy = message->easy_handle;
    Lane* lane = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &lane);
    long status = 0;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_multi_remove_handle(hidden_->multi, easy);
    lane->busy = false;
    lane->receiver.done(status, lane->words(result), std::chrono::seconds(retry_after));
  }
}

void KubeClient::wake() {
  curl_multi_wakeup(hidden_->multi);
}

}  // namespace bd::source
