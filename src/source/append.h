#pragma once
// Sorts an object into the lists of a source.

#include "kube/objects.h"

namespace bd::source {

inline void append_object(const kube::Object& object, kube::SourceObjects& out) {
  struct Appender {
    kube::SourceObjects& out;
    void operator()(const kube::Ingress& o) const { out.ingresses.push_back(o); }
    void operator()(const kube::IngressClass& o) const { out.classes.push_back(o); }
    void operator()(const kube::Service& o) const { out.services.push_back(o); }
    void operator()(const kube::EndpointSlice& o) const { out.slices.push_back(o); }
    void operator()(const kube::Namespace& o) const { out.namespaces.push_back(o); }
    void operator()(const kube::Secret& o) const { out.secrets.push_back(o); }
    void operator()(const kube::ConfigMap& o) const { out.config_maps.push_back(o); }
  };
  std::visit(Appender{out}, object);
}

}  // namespace bd::source
