// The thread that reads certificates. Nothing sleeps: the tests wait for what it tells.

#include "control/tls_watch.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "source/support_for_test.h"
#include "tls/certificate.h"

namespace bd::control {
namespace {

using namespace std::chrono_literals;

tls::KeyPair pair_for(const std::string& name) {
  const std::vector<std::string> names = {name};
  return tls::self_signed(names, 30).value();
}

/// Keeps the newest news. While it is held, the thread stands still, as if a disk did.
class Reader {
 public:
  [[nodiscard]] TlsWatch::Report report() {
    return [this](TlsWatch::News news) {
      std::unique_lock lock(mutex_);
      ++told_;
      news_ = std::move(news);
      changed_.notify_all();
      changed_.wait(lock, [this] { return !held_; });
    };
  }
  [[nodiscard]] bool wait(const std::function<bool(const TlsWatch::News&)>& reached) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return told_ > 0 && reached(news_); });
  }
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  [[nodiscard]] int told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  TlsWatch::News news_;
  int told_ = 0;
  bool held_ = false;
};

class TlsWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.exposures = {
        model::make_exposure("front", model::Side::internal, model::Scheme::https, 1)};
    config_.upstream_ca = folder_.path("system.pem");
    folder_.write("system.pem", pair_for("ca").chain);
    model::Tls& tls = config_.exposures[0].listeners[0].tls;
    tls.mode = model::TlsMode::files;
    tls.files = {{folder_.path("tls.crt"), folder_.path("tls.key")}};
    put("tls.crt", first_.chain);
    put("tls.key", first_.key);
    name_ = "file " + folder_.path("tls.crt");
  }
  /// Never half written, so that each file is read once.
  void put(const std::string& name, const std::string& text) const {
    folder_.write("new", text);
    folder_.rename("new", name);
  }
  [[nodiscard]] std::string chain(const TlsWatch::News& news) const {
    translate::Material out;
    news.files->add_to(out);
    const auto found = out.certificates.find(name_);
    return found == out.certificates.end() ? "" : found->second->chain;
  }

  source::TempFolder folder_;
  config::Config config_;
  tls::KeyPair first_ = pair_for("a.test"), second_ = pair_for("a.test");
  std::string name_;
  Reader reader_;  // Outlives the watch, which tells it.
  TlsWatch watch_{reader_.report(), 1ms};
};

TEST_F(TlsWatchTest, TellsARenewalAndItsFailureAndNothingElse) {
  TlsFiles files;
  files.use(config_);
  watch_.start(std::move(files));
  put("tls.crt", second_.chain);
  ASSERT_TRUE(reader_.wait([](const auto& news) { return news.failures.size() == 1; }));
  EXPECT_TRUE(reader_.wait([&](const auto& news) {
    return news.asked == 0 && chain(news) == first_.chain &&
           news.files->findings(false).size() == 1;
  })) << "half of a pair keeps the last good one";
  put("tls.key", second_.key);
  EXPECT_TRUE(reader_.wait([&](const auto& news) {
    return chain(news) == second_.chain && news.files->findings(false).empty();
  }));
  const int told = reader_.told();
  EXPECT_EQ(watch_.use(config_), 1u);
  EXPECT_TRUE(reader_.wait([](const auto& news) { return news.asked == 1; }));
  EXPECT_EQ(reader_.told(), told + 1) << "looks that find nothing new are not told";
}

TEST_F(TlsWatchTest, ReadsAtOnceWhatANewConfigurationNames) {
  watch_.start({});
  EXPECT_EQ(watch_.use(config_), 1u);
  EXPECT_TRUE(reader_.wait(
      [&](const auto& news) { return news.asked == 1 && chain(news) == first_.chain; }));
  config_.enabled = {"another"};
  EXPECT_EQ(watch_.use(config_), 2u);
  EXPECT_TRUE(
      reader_.wait([&](const auto& news) { return news.asked == 2 && chain(news).empty(); }));
}

TEST_F(TlsWatchTest, WhoAsksDoesNotWaitAndTheNewestCounts) {
  watch_.start({});
  reader_.hold(true);
  watch_.use(config_);
  ASSERT_TRUE(reader_.wait([](const auto& news) { return news.asked == 1; }));
  config::Config none = config_;
  none.enabled = {"another"};
  EXPECT_EQ(watch_.use(none), 2u) << "returns while the thread stands still";
  EXPECT_EQ(watch_.use(config_), 3u);
  reader_.hold(false);
  EXPECT_TRUE(reader_.wait(
      [&](const auto& news) { return news.asked == 3 && chain(news) == first_.chain; }));
  EXPECT_EQ(reader_.told(), 2) << "the one in between was left out";
}

}  // namespace
}  // namespace bd::control
