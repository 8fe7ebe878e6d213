// A disk that stands still, as a function that waits for the test.

#include "control/state_writer.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

namespace bd::control {
namespace {

using namespace std::chrono_literals;

/// Lets a write end when the test says so, and notes which began.
class Disk {
 public:
  [[nodiscard]] StateWriter::Write write(const std::string& what, int error = 0) {
    return [this, what, error] {
      std::unique_lock lock(mutex_);
      begun_.push_back(what);
      changed_.notify_all();
      changed_.wait(lock, [this] { return !stands_still_; });
      return error;
    };
  }
  void stand_still(bool still) {
    const std::lock_guard lock(mutex_);
    stands_still_ = still;
    changed_.notify_all();
  }
  [[nodiscard]] bool wait_begun(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return begun_.size() >= count; });
  }
  [[nodiscard]] std::vector<std::string> begun() {
    const std::lock_guard lock(mutex_);
    return begun_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> begun_;
  bool stands_still_ = false;
};

class StateWriterTest : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> reports() {
    const std::lock_guard lock(mutex_);
    return reports_;
  }

  Disk disk_;
  std::mutex mutex_;
  std::vector<std::string> reports_;
  std::optional<StateWriter> writer_{
      std::in_place, [this](const std::string& door, std::uint64_t number, int error) {
        const std::lock_guard lock(mutex_);
        reports_.push_back(door + " " + std::to_string(number) + ": " + std::to_string(error));
      }};
};

// While one write hangs, whoever asks goes on; of each door only the newest state is left for
// later, and the doors keep their turns.
TEST_F(StateWriterTest, OnlyTheNewestOfEachDoorWaitsBehindAWriteThatHangs) {
  disk_.stand_still(true);
  EXPECT_EQ(writer_->ask("a", disk_.write("a1")), 1u);
  ASSERT_TRUE(disk_.wait_begun(1));
  for (const char* what : {"a2", "a3"}) writer_->ask("a", disk_.write(what));
  for (const char* what : {"b1", "b2"}) writer_->ask("b", disk_.write(what));
  EXPECT_EQ(writer_->ask("a", disk_.write("a4")), 6u);
  EXPECT_FALSE(writer_->finish(0ms)) << "the disk stands still";
  EXPECT_EQ(disk_.begun(), std::vector<std::string>{"a1"});
  EXPECT_TRUE(reports().empty());
  disk_.stand_still(false);
  EXPECT_TRUE(writer_->finish(20s));
  EXPECT_EQ(disk_.begun(), (std::vector<std::string>{"a1", "a4", "b2"}));
  EXPECT_EQ(reports(), (std::vector<std::string>{"a 1: 0", "a 6: 0", "b 5: 0"}));
}

TEST_F(StateWriterTest, TellsOfEachFailureAndGoesOn) {
  writer_->ask("a", disk_.write("a1", ENOSPC));
  ASSERT_TRUE(writer_->finish(20s));
  writer_->ask("a", disk_.write("a2"));
  ASSERT_TRUE(writer_->finish(20s));
  EXPECT_EQ(reports(), (std::vector<std::string>{fmt::format("a 1: {}", ENOSPC), "a 2: 0"}));
}

TEST_F(StateWriterTest, ItsEndWritesWhatWaits) {
  disk_.stand_still(true);
  writer_->ask("a", disk_.write("a1"));
  ASSERT_TRUE(disk_.wait_begun(1));
  writer_->ask("a", disk_.write("a2"));
  writer_->ask("b", disk_.write("b1"));
  disk_.stand_still(false);
  writer_.reset();
  EXPECT_EQ(disk_.begun(), (std::vector<std::string>{"a1", "a2", "b1"}));
  EXPECT_EQ(reports().size(), 3u);
}

TEST_F(StateWriterTest, WithNothingToDoItIsFinished) {
  EXPECT_TRUE(writer_->finish(0ms));
}

}  // namespace
}  // namespace bd::control
