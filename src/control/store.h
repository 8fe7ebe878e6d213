#pragma once
// All objects of all sources, kept up to date by their events.

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "kube/objects.h"
#include "source/source.h"

namespace bd::control {

/// What an event asks for.
enum class Effect : std::uint8_t {
  nothing,    ///< Equal to what was known.
  endpoints,  ///< Only endpoint lists may differ: the bypass.
  compile,
};

class Store {
 public:
  /// Sources appear in this order, delivered or not.
  void add_source(const std::string& name);
  void drop_source(const std::string& name);
  Effect apply(const std::string& source, source::Event event);

  [[nodiscard]] const kube::ObjectSet& objects() const noexcept { return objects_; }
  struct Health {
    std::string name;
    bool delivered = false;
    bool healthy = false;
    std::string message;
  };
  [[nodiscard]] const std::vector<Health>& health() const noexcept { return health_; }
  [[nodiscard]] bool all_delivered() const;

 private:
  Effect upsert(kube::SourceObjects& objects, kube::Object object, std::vector<model::Finding> findings);
  Effect remove(kube::SourceObjects& objects, const source::Remove& which);
  kube::ObjectSet objects_;
  std::vector<Health> health_;  // In the order of objects_.sources.
};

}  // namespace bd::control
