#pragma once
// Moves a body from a source to a sink, as far as one gives and the other takes. The caller waits.

#include "proxy/sink.h"
#include "proxy/source.h"

namespace bd::proxy {

/// Stops after some rounds, so that no fast pair of peers keeps the thread for itself. True if
/// anything moved, or either side changed its state.
bool pump(Source& source, Sink& sink);

}  // namespace bd::proxy
