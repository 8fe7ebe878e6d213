#include "tls/choice.h"

namespace bd::tls {

void Offer::add(const std::shared_ptr<const Material>& material) {
  auto& slot = of[static_cast<std::size_t>(material->kind)];
  if (!slot) slot = material;
}

void Certificates::add(const std::shared_ptr<const Material>& material) {
  for (const std::string& name : material->facts.names) offers_[name].add(material);
  if (!first_) first_ = material;
}

void Certificates::set_self_signed(const std::shared_ptr<const Material>& material) {
  rest_.own = true;
  rest_.add(material);
}

void Certificates::finish() {
  if (rest_.own || !first_) return;
  rest_.add(first_);
  // Its twin with another kind of key serves unknown names too.
  if (first_->facts.names.empty()) return;
  for (const auto& twin : offers_[first_->facts.names.front()].of) {
    if (twin) rest_.add(twin);
  }
}

const Offer& Certificates::choose(std::string_view host) const {
  const Offer* const found = offers_.find(host);
  return found != nullptr ? *found : rest_;
}

}  // namespace bd::tls
