#include "source/manifest_folder.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "model/limits.h"
#include "source/append.h"
#include "text/value.h"

namespace bd::source {
namespace {

using model::Finding;
using model::ObjectRef;

std::string digest_of(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), out.data(), &length, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<const char*>(out.data()), length);
}

/// `kubectl apply` would put such an object into the namespace of its context: ours is `default`.
void complete(ObjectRef& ref) {
  const bool namespaced = ref.kind == "Ingress" || ref.kind == "Service" ||
                          ref.kind == "EndpointSlice" || ref.kind == "Secret" ||
                          ref.kind == "ConfigMap";
  if (namespaced && ref.ns.empty()) ref.ns = "default";
}

std::string identity(const ObjectRef& ref) {
  return fmt::format("{}\n{}\n{}", ref.kind, ref.ns, ref.name);
}

void complete(kube::Object& object) {
  std::visit([](auto& known) { complete(known.meta.ref); }, object);
  if (auto* ingress = std::get_if<kube::Ingress>(&object)) {
    for (Finding& mistake : ingress->mistakes) complete(mistake.object);
  }
}

/// `complete` has the path, or a folder that it stands in.
bool holds(const std::set<std::string>& complete, std::string path) {
  while (!complete.empty()) {
    if (complete.contains(path)) return true;
    if (path.empty()) break;
    const std::size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
  return false;
}

/// JSON is YAML, and the YAML parser knows lines; only what it can't read in JSON (tabs, some
/// escapes) is left to the JSON parser.
text::YamlResult parse_manifest(const std::string& path, const std::string& text) {
  const text::ParseLimits limits{.bytes_max = model::kManifestFileMax,
                                 .depth_max = model::kManifestDepthMax};
  text::YamlResult result = text::parse_yaml(text, limits);
  if (result.errors.empty() || !path.ends_with(".json")) return result;
  auto json = text::parse_json(text, limits);
  if (!json) return result;
  result.errors.clear();
  result.documents.clear();
  result.documents.push_back(std::move(*json));
  return result;
}

}  // namespace

ManifestFolder::ManifestFolder(std::string directory, bool allow_loopback)
    : directory_(std::move(directory)), allow_loopback_(allow_loopback) {
  while (directory_.size() > 1 && directory_.ends_with('/')) directory_.pop_back();
  name_ = "manifests:" + directory_;
}

std::vector<ManifestFolder::FileText> ManifestFolder::read_changes(
    const Listing& listing, const std::set<std::string>& complete) {
  const bool all = !has_looked_ || (!identity_.empty() && identity_ != listing.identity);
  has_looked_ = true;
  std::vector<FileText> changes;
  for (const auto& [path, signature] : listing.files) {
    const bool told = all || holds(complete, path);
    const auto known = files_.find(path);
    // A signature is too coarse to tell two quick writes apart, so what was told of is read anyway.
    const bool is_pending = told || restless_.contains(path);
    if (!is_pending && known != files_.end() && known->second.signature == signature) continue;
    FileText change{path, signature, read_text(directory_ + "/" + path, model::kManifestFileMax),
                    {},   told,      {}};
    if (!change.text && change.text.error().code == ENOENT) continue;  // The next listing says so.
    if (change.text) change.digest = digest_of(*change.text);
    if (known != files_.end() && known->second.digest == change.digest) {
      const ReadError error = change.text ? ReadError{} : change.text.error();
      if (known->second.unreadable == error) {
        if (change.text) known->second.signature = signature;
        known->second.is_doubted = false;
        continue;
      }
    }
    if (change.text) change.contents = parse(path, *change.text);
    changes.push_back(std::move(change));
  }
  return changes;
}

void ManifestFolder::believe(std::vector<FileText>& changes, Clock::time_point now,
                             Clock::duration silent) {
  // What is left out does not stand still.
  std::map<std::string, Restless> before = std::exchange(restless_, {});
  for (const FileText& change : changes) {
    const auto known = before.find(change.path);
    if (known != before.end()) restless_.insert(before.extract(known));
  }
  std::erase_if(changes, [&](FileText& change) { return must_wait(change, now, silent); });
}

bool ManifestFolder::must_wait(FileText& change, Clock::time_point now, Clock::duration silent) {
  const auto known = files_.find(change.path);
  const bool is_known = known != files_.end();
  const auto [at, is_first] = restless_.try_emplace(change.path);
  Restless& seen = at->second;
  const bool lacks = is_known && lacks_objects(known->second, change);
  const bool is_other = seen.signature != change.signature || seen.digest != change.digest;
  // Objects that one whole text after the other lacks are gone, however often it is written.
  const bool lacks_again = lacks && seen.complete && change.complete;
  const Clock::time_point since = !is_first && (!is_other || lacks_again) ? seen.since : now;
  const bool complete = change.complete || (!is_first && !is_other && seen.complete);
  seen = {change.signature, change.digest, complete, since, now};
  if (seen.complete) {
    seen.until = seen.since + (lacks ? kStandStill : Clock::duration{});
  } else {
    seen.until = seen.since + (is_known ? silent : kStandStill);
  }
  if (is_known) known->second.is_doubted = lacks;
  if (now < seen.until) return true;
  restless_.erase(at);
  return false;
}

bool ManifestFolder::lacks_objects(const File& file, const FileText& change) {
  // One that can't be read or parsed replaces nothing.
  if (!change.text || (file.was_good && !change.contents.mistakes.empty())) return false;
  const std::set<std::string_view> present(change.contents.identities.begin(),
                                           change.contents.identities.end());
  return !std::ranges::all_of(file.good.identities,
                              [&](const std::string& id) { return present.contains(id); });
}

bool ManifestFolder::apply(const Listing& listing, std::vector<FileText> changes,
                           Clock::time_point now) {
  bool changed = std::exchange(problem_, listing.problem) != listing.problem;
  if (!problem_.empty()) {
    for (auto& [path, file] : files_) file.gone_since.reset();  // Nobody knows while it is away.
    return changed;
  }
  changed |= std::exchange(unreadable_, listing.unreadable) != listing.unreadable;
  for (FileText& change : changes) {
    File& file = files_[change.path];
    take(file, std::move(change));
    changed = true;
  }
  changed |= forget_missing(listing, now);
  identity_ = listing.identity;
  return changed;
}

void ManifestFolder::take(File& file, FileText text) {
  file.digest = std::move(text.digest);
  file.mistakes.clear();
  file.is_doubted = false;
  if (!text.text) {
    file.signature = {};  // So that it is tried again.
    file.unreadable = text.text.error();
    file.mistakes.push_back(
        finding("manifest-unreadable", text.path, 0,
                fmt::format("The file can't be read: {}.", file.unreadable.what),
                file.was_good ? "Its last good version stays in use until it can." : ""));
    return;
  }
  file.signature = text.signature;
  file.unreadable = {};
  file.mistakes = std::exchange(text.contents.mistakes, {});
  const bool good = file.mistakes.empty();
  for (Finding& mistake : file.mistakes) {
    mistake.hint = file.was_good
                       ? "The last good version of the whole file stays in use until it is mended."
                       : "The other documents of the file are used.";
  }
  if (!good && file.was_good) return;
  file.was_good = good;
  file.good = std::move(text.contents);
}

ManifestFolder::Contents ManifestFolder::parse(const std::string& path,
                                               const std::string& text) const {
  Contents out;
  const text::YamlResult result = parse_manifest(path, text);
  for (const text::ParseError& error : result.errors) {
    out.mistakes.push_back(finding("manifest-syntax", path, error.line,
                                   fmt::format("The file can't be parsed: {}.", error.what), ""));
  }
  for (const text::Value& document : result.documents) {
    kube::Decoded decoded = kube::decode(document, ObjectRef{.source = name_, .file = path});
    for (kube::Object& object : decoded.objects) {
      complete(object);
      out.identities.push_back(identity(kube::meta(object).ref));
      out.objects.push_back(std::move(object));
    }
    for (Finding& found : decoded.findings) {
      complete(found.object);
      out.findings.push_back(std::move(found));
    }
  }
  return out;
}

bool ManifestFolder::forget_missing(const Listing& listing, Clock::time_point now) {
  const bool swapped = !identity_.empty() && identity_ != listing.identity;
  const auto unreadable = [&](const std::string& path) {
    for (const auto& [place, why] : listing.unreadable) {
      if (is_under(path, place)) return true;
    }
    return false;
  };
  bool changed = false;
  for (auto at = files_.begin(); at != files_.end();) {
    File& file = at->second;
    if (listing.files.contains(at->first) || unreadable(at->first)) {
      changed |= std::exchange(file.gone_since, std::nullopt).has_value();
      ++at;
      continue;
    }
    if (!file.gone_since) file.gone_since = now;
    const bool forget = swapped || now - *file.gone_since >= kAbsenceMax;
    changed |= forget;
    at = forget ? files_.erase(at) : std::next(at);
  }
  std::erase_if(restless_, [&](const auto& seen) { return !listing.files.contains(seen.first); });
  return changed;
}

std::optional<ManifestFolder::Clock::time_point> ManifestFolder::next_expiry() const {
  std::optional<Clock::time_point> next;
  for (const auto& [path, text] : restless_) {
    if (!next || text.until < *next) next = text.until;
  }
  for (const auto& [path, file] : files_) {
    if (!file.gone_since) continue;
    const Clock::time_point expiry = *file.gone_since + kAbsenceMax;
    if (!next || expiry < *next) next = expiry;
  }
  return next;
}

kube::SourceObjects ManifestFolder::objects() const {
  kube::SourceObjects out;
  out.source = name_;
  out.allow_loopback = allow_loopback_;
  if (!problem_.empty()) {
    Finding found{model::Severity::refused, "manifests-unavailable"};
    found.object = ObjectRef{.kind = "Folder", .name = directory_, .source = name_};
    found.what = fmt::format("The folder can't be read: {}.", problem_);
    found.hint = files_.empty() ? "It is read as soon as it can be."
                                : "What it held last stays in use until it can.";
    out.findings.push_back(std::move(found));
  }
  for (const auto& [path, why] : unreadable_) {
    out.findings.push_back(
        finding("manifest-unreadable", path, 0, fmt::format("It can't be read: {}.", why), ""));
  }
  // What is about to be forgotten gives way to what is there: the object may have moved from the
  // one file to the other.
  Seen seen;
  for (const auto& [path, file] : files_) {
    if (!file.is_going()) append(file, seen, out);
  }
  for (const auto& [path, file] : files_) {
    if (file.is_going()) append(file, seen, out);
  }
  return out;
}

void ManifestFolder::append(const File& file, Seen& seen, kube::SourceObjects& out) {
  out.findings.insert(out.findings.end(), file.mistakes.begin(), file.mistakes.end());
  out.findings.insert(out.findings.end(), file.good.findings.begin(), file.good.findings.end());
  for (std::size_t i = 0; i < file.good.objects.size(); ++i) {
    const ObjectRef& ref = kube::meta(file.good.objects[i]).ref;
    const auto [first, is_new] = seen.emplace(file.good.identities[i], &ref);
    if (is_new) {
      append_object(file.good.objects[i], out);
    } else if (!file.is_going()) {
      Finding found{model::Severity::refused, "duplicate-object", ref};
      found.what = fmt::format(
          "The same object stands in {}:{}, which is used instead: the first by file name wins.",
          first->second->file, first->second->line);
      found.hint = "Remove one of the two, or give it another name.";
      out.findings.push_back(std::move(found));
    }
  }
}

Finding ManifestFolder::finding(const char* code, const std::string& path, int line,
                                std::string what, std::string hint) const {
  Finding found{model::Severity::refused, code};
  found.object =
      ObjectRef{.kind = "Manifest", .name = path, .source = name_, .file = path, .line = line};
  found.what = std::move(what);
  found.hint = std::move(hint);
  return found;
}

}  // namespace bd::source
