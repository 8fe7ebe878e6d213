#include "source/kube_mirror.h"

#include "base/ascii.h"
#include "model/limits.h"

namespace bd::source {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kErrorBodyMax = 16u << 10;  // Of an answer that is not 200: a Status object.
constexpr unsigned kForbiddenMin = 3;             // In a row; then a resource is given up.
constexpr unsigned kWatchFailuresMax = 5;         // In a row; then a list may know what is wrong.
/// A list that lost no more than this is believed at once: somebody deleted an application.
constexpr std::size_t kLossUnquestioned = 10;

/// Continue tokens and resource versions are the server's own, so all but the plainest is escaped.
std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (ascii::is_alnum(c) || c == '-' || c == '_' || c == '.') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

/// Who was refused, from the server's sentence: `… is forbidden: User "NAME" cannot list …`.
std::string forbidden_account(std::string_view said) {
  constexpr std::string_view kBefore = "User \"";
  const std::size_t begin = said.find(kBefore);
  if (begin == std::string_view::npos) return "this account";
  said.remove_prefix(begin + kBefore.size());
  return std::string(said.substr(0, said.find('"')));
}

}  // namespace

Mirror::Mirror(const Resource& resource, const KubeTimes& times, std::uint32_t seed)
    : resource_(resource), times_(times), random_(seed), page_limit_(model::kKubePageMax) {}

Mirror::Request Mirror::begin(Clock::time_point now) {
  status_ = 0;
  buffer_.clear();
  too_large_ = told_ = false;
  verdict_ = Verdict::fine;
  watch_fault_.clear();
  heard_at_ = now;
  std::string target = resource_.path() + "?";
  if (!resource_.selector.empty()) target += fmt::format("{}&", resource_.selector);
  if (phase_ == Phase::listing) {
    // No resourceVersion: the most recent state, so that no list is older than what was watched.
    target += fmt::format("limit={}", page_limit_);
    if (!continue_.empty()) target += "&continue=" + escape(continue_);
    return {std::move(target), times_.list};
  }
  std::uniform_int_distribution<std::int64_t> between(times_.watch_min.count(),
                                                      times_.watch_max.count());
  const std::chrono::seconds lifetime(between(random_));
  // The server ends the watch; that we would, a little later, is for one that does not.
  target += fmt::format("watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
                        escape(version_), lifetime.count());
  return {std::move(target), lifetime + std::chrono::seconds(30)};
}

void Mirror::head(long status, Clock::time_point now) {
  status_ = status;
  head_at_ = heard_at_ = now;
}

bool Mirror::data(std::string_view bytes, Clock::time_point now) {
  heard_at_ = now;
  if (status_ != 200) {
    buffer_.append(bytes.substr(0, kErrorBodyMax - buffer_.size()));
    return true;
  }
  if (phase_ == Phase::watching) return take_lines(bytes);
  too_large_ = buffer_.size() + bytes.size() > model::kKubeAnswerMax;
  if (!too_large_) buffer_.append(bytes);
  return !too_large_;
}

void Mirror::done(const Outcome& outcome, Clock::time_point now) {
  if (outcome.status == 401 && !std::exchange(token_refused_, true)) {
    due_ = now;  // Tokens are replaced all the time: the next request reads the file again.
    return;
  }
  token_refused_ = outcome.status == 401;
  // What a server says that has just come back (it forbids everything at first) is not what kept
  // us waiting before.
  const bool reached = std::exchange(unreachable_, outcome.status == 0) && !unreachable_;
  if (reached) failures_ = 0;
  if (phase_ == Phase::watching && confirms(now)) {
    phase_ = Phase::listing;
    due_ = now;
    return;
  }
  if (phase_ == Phase::watching) return finish_watch(outcome, now);
  if (too_large_ && page_limit_ > 1) {
    page_limit_ /= 2;
    due_ = now;
    return;
  }
  if (outcome.status == 200 && outcome.error.empty()) return finish_page(now);
  start_list();
  if (outcome.status == 403 && !resource_.required) return skip(outcome, now);
  fail(describe(outcome), now, outcome.retry_after);
}

void Mirror::skip(const Outcome& outcome, Clock::time_point now) {
  warning_ = describe(outcome);
  fail({}, now);
  // An API server that has just started forbids everything for a moment, so once is not enough.
  // What was known before stays known.
  if (failures_ >= kForbiddenMin) changes_.replaced |= !std::exchange(synced_, true);
}

void Mirror::nudge(Clock::time_point now) {
  if (unreachable_) due_ = std::min(due_, now + jitter(times_.backoff_first));
}

void Mirror::start_list() {
  listed_.clear();
  list_version_.clear();
  continue_.clear();
}

milliseconds Mirror::pause() {
  // "Full jitter": anything up to the bound, so that a thousand clients don't come back at once.
  const unsigned doublings = std::min(failures_ == 0 ? 0 : failures_ - 1, 16u);
  const milliseconds bound = std::min(times_.backoff_max, times_.backoff_first * (1 << doublings));
  return jitter(bound);
}

milliseconds Mirror::jitter(milliseconds bound) {
  return milliseconds(std::uniform_int_distribution<std::int64_t>(0, bound.count())(random_));
}

void Mirror::fail(std::string why, Clock::time_point now, milliseconds at_least) {
  ++failures_;
  due_ = now + std::max(pause(), std::min(at_least, times_.backoff_max));
  // One watch that breaks off is life (a load balancer, a rolling update); what can't be mended by
  // connecting again is told.
  const bool life = status_ == 0 || status_ == 200 || status_ == 410;
  const bool hiccup = phase_ == Phase::watching && failures_ == 1 && life;
  if (!hiccup) problem_ = std::move(why);
}

void Mirror::finish_page(Clock::time_point now) {
  auto page = read_page(buffer_, resource_, listed_);
  buffer_ = {};  // It may be large, and the next use is minutes away.
  if (page && listed_.size() > model::kKubeObjectsMax) {
    page = std::unexpected(
        fmt::format("there are more than {} {}", model::kKubeObjectsMax, resource_.plural));
  }
  if (!page) {
    start_list();
    return fail(std::move(page.error()), now);
  }
  // All pages show one moment, that of the first.
  if (list_version_.empty()) list_version_ = std::move(page->version);
  continue_ = std::move(page->next);
  if (!continue_.empty()) {
    due_ = now;
    return;
  }
  finish_list(now);
}

void Mirror::finish_list(Clock::time_point now) {
  std::size_t lost = 0;
  for (const auto& [key, entry] : entries_) lost += listed_.contains(key) ? 0 : 1;
  const bool older = !version_.empty() && is_newer(version_, list_version_);
  if (doubt_.empty()) {
    doubt_ = doubt(lost, older);
    confirm_at_ = now + times_.confirm;
  } else if (confirms(now) || (lost == 0 && !older)) {
    doubt_.clear();
  }
  // What is new or changed is taken; what seems to be lost is kept until the doubt is settled.
  if (!doubt_.empty()) listed_.insert(entries_.begin(), entries_.end());
  if (!std::exchange(synced_, true) || lists_something_else()) {
    changes_.replaced = true;
    changes_.events.clear();
  }
  entries_ = std::move(listed_);
  version_ = list_version_;
  start_list();
  phase_ = Phase::watching;
  due_ = now;
}

bool Mirror::confirms(Clock::time_point now) const {
  return !doubt_.empty() && now >= confirm_at_;
}

std::string Mirror::doubt(std::size_t lost, bool older) const {
  const bool emptied = lost > 0 && lost == entries_.size();
  const bool halved = lost > kLossUnquestioned && lost * 2 > entries_.size();
  if (!older && !emptied && !halved) return {};
  return fmt::format(
      "{}: a new list {}lacks {} of {}: they are kept unless a second list, in {} s, "
      "lacks them too",
      resource_.plural, older ? "is older than what was watched, and " : "", lost, entries_.size(),
      std::chrono::ceil<std::chrono::seconds>(times_.confirm).count());
}

bool Mirror::lists_something_else() const {
  if (listed_.size() != entries_.size()) return true;
  return !std::equal(listed_.begin(), listed_.end(), entries_.begin(),
                     [](const auto& a, const auto& b) {
                       return a.first == b.first && a.second.version == b.second.version;
                     });
}

bool Mirror::take_lines(std::string_view bytes) {
  std::size_t search = buffer_.size();  // What came before holds no end of a line.
  buffer_.append(bytes);
  std::size_t begin = 0;
  for (std::size_t end; (end = buffer_.find('\n', search)) != std::string::npos;) {
    const std::string_view line(buffer_.data() + begin, end - begin);
    begin = search = end + 1;
    if (line.empty() || line == "\r") continue;
    verdict_ = take_line(line);
    if (verdict_ != Verdict::fine) return false;
    told_ = true;
  }
  buffer_.erase(0, begin);
  if (buffer_.empty() && buffer_.capacity() > model::kObjectBytesMax) buffer_ = {};
  if (buffer_.size() <= model::kKubeAnswerMax) return true;
  verdict_ = Verdict::broken;
  watch_fault_ = fmt::format("an event of the watch of {} is larger than {} bytes",
                             resource_.plural, model::kKubeAnswerMax);
  return false;
}

Mirror::Verdict Mirror::take_line(std::string_view line) {
  auto event = read_event(line, resource_);
  if (!event) {
    watch_fault_ = std::move(event.error());
    return Verdict::broken;
  }
  const std::string version = event->entry.version;
  switch (event->type) {
    case WatchEvent::Type::error:
      if (event->code == 410) return Verdict::expired;
      watch_fault_ = fmt::format("{}: the watch ended with {}: {}", resource_.plural, event->code,
                                 event->message);
      return Verdict::broken;
    case WatchEvent::Type::upsert:
      store(event->key, std::move(event->entry));
      break;
    case WatchEvent::Type::remove:
      remove(event->key, version);
      break;
    case WatchEvent::Type::bookmark:
    case WatchEvent::Type::unknown:
      break;
  }
  // Never back: an event that arrives late must not bring all later ones again.
  if (!version.empty() && is_newer(version, version_)) version_ = version;
  return Verdict::fine;
}

void Mirror::store(const EntryKey& key, Entry entry) {
  const auto known = entries_.find(key);
  if (known != entries_.end() && !is_newer(entry.version, known->second.version)) return;
  if (known == entries_.end() && entries_.size() >= model::kKubeObjectsMax) {
    warning_ = fmt::format("there are more than {} {}: the newest are ignored",
                           model::kKubeObjectsMax, resource_.plural);
    return;
  }
  // Only a whole set can say or take back that an object can't be used.
  const bool was_unusable = known != entries_.end() && !known->second.object;
  if (!entry.object || was_unusable) {
    changes_.replaced = true;
  } else {
    changes_.events.emplace_back(Upsert{*entry.object, entry.findings});
  }
  entries_.insert_or_assign(key, std::move(entry));
}

void Mirror::remove(const EntryKey& key, const std::string& version) {
  const auto known = entries_.find(key);
  if (known == entries_.end() || is_newer(known->second.version, version)) return;
  if (known->second.object) {
    changes_.events.emplace_back(Remove{std::string(resource_.kind), key.first, key.second});
  } else {
    changes_.replaced = true;
  }
  entries_.erase(known);
}

void Mirror::finish_watch(const Outcome& outcome, Clock::time_point now) {
  const bool answered = outcome.status == 200;
  const bool steady = answered && now - head_at_ >= times_.steady;
  if (steady) failures_ = expirations_ = 0;
  if (outcome.status == 410 || verdict_ == Verdict::expired) {
    failures_ = expirations_;
    fail(fmt::format("{}: each watch expires at once", resource_.plural), now);
    if (expirations_++ == 0) due_ = now;
    phase_ = Phase::listing;
    return;
  }
  if (outcome.status == 403 && !resource_.required) return skip(outcome, now);
  const bool ended_well = answered && outcome.error.empty() && verdict_ == Verdict::fine;
  if (ended_well && (steady || told_)) {
    failures_ = 0;
    due_ = now;
    return;
  }
  std::string why = watch_fault_;
  if (why.empty() && ended_well) {
    why = fmt::format("{}: the server ends each watch at once", resource_.plural);
  }
  if (why.empty()) why = describe(outcome);
  fail(std::move(why), now, outcome.retry_after);
  const bool no_use = outcome.status == 0 || outcome.status == 401 || outcome.status == 403 ||
                      outcome.status == 429;
  if (failures_ >= kWatchFailuresMax && !no_use) phase_ = Phase::listing;
}

std::string Mirror::describe(const Outcome& outcome) const {
  const std::string_view verb = phase_ == Phase::listing ? "list" : "watch";
  if (too_large_) {
    return fmt::format("{}: one object alone makes a list larger than {} bytes", resource_.plural,
                       model::kKubeAnswerMax);
  }
  if (outcome.status == 0) return "the API server can't be reached: " + outcome.error;
  if (outcome.status == 200) {
    return fmt::format("{}: {}: {}", resource_.plural, verb, outcome.error);
  }
  const std::string said = status_message(buffer_);
  if (outcome.status == 403) {
    return fmt::format(
        "{}: {} is forbidden for {}: its ClusterRole needs the rule {{apiGroups: [{}], resources: "
        "[{}], verbs: [get, list, watch]}}",
        resource_.plural, verb, forbidden_account(said),
        resource_.group.empty() ? "\"\"" : resource_.group, resource_.plural);
  }
  if (outcome.status == 401) {
    return fmt::format("the API server does not accept the token or certificate (401): {}", said);
  }
  if (outcome.status == 404) {
    return fmt::format("{}: the API server does not know {} (Kubernetes 1.21 or later is needed)",
                       resource_.plural, resource_.path());
  }
  return fmt::format("{}: {}: HTTP {}: {}", resource_.plural, verb, outcome.status, said);
}

Clock::time_point Mirror::deadline() const {
  Clock::time_point next = heard_at_ + times_.silence;
  if (phase_ != Phase::watching) return next;
  if (!doubt_.empty()) next = std::min(next, confirm_at_);
  const bool recovering = failures_ > 0 || !problem_.empty() || !warning_.empty();
  if (recovering && status_ == 200) next = std::min(next, head_at_ + times_.steady);
  return next;
}

bool Mirror::tick(Clock::time_point now) {
  if (phase_ == Phase::watching && status_ == 200 && now - head_at_ >= times_.steady) {
    problem_.clear();
    warning_.clear();
    failures_ = expirations_ = 0;
  }
  if (phase_ == Phase::watching && confirms(now)) return false;
  return now - heard_at_ < times_.silence;
}

}  // namespace bd::source
