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

int write_line(BIO* bio, const char* from, std::size_t size, std::size_t* put) {
  Session::Line& line = line_of_bio(bio);
  BIO_clear_retry_flags(bio);
  *put = 0;
  if (line.broken) return 0;
  const Wire::Moved moved = line.wire->send({from, size});
  switch (moved.status) {
    case Wire::Status::ok:
      *put = moved.bytes;
      return 1;
    case Wire::Status::again:
      BIO_set_retry_write(bio);
      break;
    case Wire::Status::end:
    case Wire::Status::error:
      line.broken = true;
      break;
  }
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
