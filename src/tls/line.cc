// The BIO through which OpenSSL sees a Wire.
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "tls/role.h"

namespace bd::tls {
namespace {

Session::Line& line_of_bio(BIO* bio) {
  return *static_cast<Session::Line*>(BIO_get_data(bio));
}

int read_line(BIO* bio, char* into, std::size_t size, std::size_t* got) {
  Session::Line& line = line_of_bio(bio);
  BIO_clear_retry_flags(bio);
  *got = 0;
  if (line.fruitless > kFruitlessMax || line.key_updates > kKeyUpdatesMax) line.flooded = true;
  if (line.ended || line.broken || line.flooded) return 0;
  if (line.muted) {
    BIO_set_retry_read(bio);
    return 0;
  }
  const Wire::Moved moved = line.wire->receive({into, size});
  switch (moved.status) {
    case Wire::Status::ok:
      *got = moved.bytes;
      line.fruitless += moved.bytes;
      return 1;
    case Wire::Status::again:
      BIO_set_retry_read(bio);
      break;
    case Wire::Status::end:
      line.ended = true;
      break;
    case Wire::Status::error:
      line.broken = true;
      break;
  }
  return 0;
}

/// How much of it went.
std::size_t send(Session::Line& line, std::string_view bytes) {
  if (line.broken) return 0;
  const Wire::Moved moved = line.wire->send(bytes);
  if (moved.status == Wire::Status::ok) return moved.bytes;
  line.broken = moved.status != Wire::Status::again;
  return 0;
}

/// Sends both in one piece. How much of `bytes` went: none before all that was held.
std::size_t send_with_held(Session::Line& line, std::string_view bytes) {
  const std::size_t before = line.held.size();
  line.held.append(bytes);
  const std::size_t sent = send(line, line.held);
  if (sent < before) {
    line.held.erase(before);
    line.held.erase(0, sent);
    return 0;
  }
  std::string().swap(line.held);
  return sent - before;
}

/// What is held has its memory already: no failure to allocate may pass through OpenSSL.
bool has_room(const Session::Line& line, std::size_t size) {
  return line.held.capacity() - line.held.size() >= size;
}

int write_line(BIO* bio, const char* from, std::size_t size, std::size_t* put) {
  Session::Line& line = line_of_bio(bio);
  BIO_clear_retry_flags(bio);
  const std::string_view bytes(from, size);
  if (line.holds && has_room(line, size)) {
    line.held.append(bytes);
    *put = size;
    return 1;
  }
  if (!line.held.empty() && has_room(line, size)) {
    *put = send_with_held(line, bytes);
  } else {
    *put = flush(line) ? send(line, bytes) : 0;
  }
  if (*put > 0) return 1;
  if (!line.broken) BIO_set_retry_write(bio);
  return 0;
}

/// Says no to BIO_CTRL_EOF too: an end without close_notify must not end what we have to say.
long control_line(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* line_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    BIO_meth_set_read_ex(made, read_line);
    BIO_meth_set_write_ex(made, write_line);
    BIO_meth_set_ctrl(made, control_line);
    return made;
  }();
  return method;
}

}  // namespace

bool flush(Session::Line& line) {
  while (!line.held.empty()) {
    const std::size_t sent = send(line, line.held);
    if (sent == 0) return false;
    line.held.erase(0, sent);
  }
  std::string().swap(line.held);  // An idle connection keeps no memory for it.
  return true;
}

bio_st* open_line(Session::Line& line) {
  BIO* const bio = BIO_new(line_method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &line);
  BIO_set_init(bio, 1);
  return bio;
}

Session::Line& line_of(const ssl_st* ssl) {
  // During a handshake OpenSSL puts a buffer before the BIO for writing, not for reading.
  return line_of_bio(SSL_get_rbio(ssl));
}

}  // namespace bd::tls
