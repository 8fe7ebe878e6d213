#pragma once
// All objects of all sources, kept up to date by their events.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kube/objects.h"
#include "source/source.h"
#include "translate/translate.h"

namespace bd::control {

/// What an event asks for; the greater includes the lesser.
enum class Effect : std::uint8_t {
  nothing,    ///< Equal to what was known.
  endpoints,  ///< Only EndpointSlices differ: the bypass.
  compile,
};

class Store {
 public:
  /// Sources appear in this order, delivered or not. False if there is one of that name.
  bool add_source(const std::string& name);
  void drop_source(const std::string& name);
  Effect apply(const std::string& source, source::Event event);

  [[nodiscard]] const kube::ObjectSet& objects() const noexcept { return objects_; }
  /// The Services whose EndpointSlices changed since the last call.
  [[nodiscard]] std::set<translate::ServiceName> take_touched();

  struct Health {
    std::string name;
    /// It has given a complete set. A source in trouble that has nothing to show has not: what it
    /// serves from may just not be mounted yet, and nobody asked for empty tables.
    bool delivered = false;
    bool healthy = false;
    std::string message;
  };
  [[nodiscard]] const std::vector<Health>& health() const noexcept { return health_; }
  [[nodiscard]] bool all_delivered() const;

 private:
  Effect replace(kube::SourceObjects& known, kube::SourceObjects fresh, Health& health);
  Effect upsert(kube::SourceObjects& known, source::Upsert event);
  Effect remove(kube::SourceObjects& known, const source::Remove& which);
  /// Notes what differs between two sorted lists. True if anything does.
  bool touch_differences(const std::string& source, std::vector<kube::EndpointSlice>& fresh,
                         const std::vector<kube::EndpointSlice>& known);
  void touch(const std::string& source, const kube::EndpointSlice& slice);

  kube::ObjectSet objects_;
  std::vector<Health> health_;  // In the order of objects_.sources.
  std::set<translate::ServiceName> touched_;
};

}  // namespace bd::control
