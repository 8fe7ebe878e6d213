#include "base/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

namespace bd::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void configure(spdlog::logger& logger, std::string_view process, Level level) {
  logger.set_pattern(fmt::format("%Y-%m-%dT%H:%M:%S.%fZ %^%l%$ [{}] %v", process),
                     spdlog::pattern_time_type::utc);
  logger.set_level(to_spdlog(level));
}

/// A line takes some 400 bytes. Enough for what a controller says in its worst second.
constexpr std::size_t kLinesQueued = 1024;

std::shared_ptr<spdlog::details::thread_pool> queue;  // Empty: whoever logs writes.
std::atomic<std::size_t> told{0};                     // How many lost lines.

void tell_of_lost_lines(std::size_t lost) {
  const std::size_t before = told.exchange(lost);
  if (lost <= before) return;
  spdlog::default_logger_raw()->warn("{} lines of this log were lost: nobody took them in time",
                                     lost - before);
}

}  // namespace

void init(std::string_view process, Level level) {
  auto logger = spdlog::get("bd");
  if (!logger) logger = spdlog::stderr_logger_mt("bd");
  configure(*logger, process, level);
  spdlog::set_default_logger(logger);
}

void init_queued(std::string_view process, Level level) {
  queue = std::make_shared<spdlog::details::thread_pool>(kLinesQueued, 1U);
  auto logger = std::make_shared<spdlog::async_logger>(
      "bd", std::make_shared<spdlog::sinks::stderr_sink_mt>(), queue,
      spdlog::async_overflow_policy::overrun_oldest);
  configure(*logger, process, level);
  spdlog::set_default_logger(std::move(logger));
}

void finish() {
  if (!queue) return;
  const std::size_t lost = queue->overrun_counter();
  queue.reset();  // Waits for its thread, which writes what is queued.
  const auto queued = spdlog::default_logger();
  auto direct =
      std::make_shared<spdlog::logger>("bd", queued->sinks().begin(), queued->sinks().end());
  direct->set_level(queued->level());
  spdlog::set_default_logger(std::move(direct));
  tell_of_lost_lines(lost);
}

void write(Level level, std::string_view message) {
  // Not while lines are still being lost: telling takes the place of a line.
  if (queue && queue->queue_size() < kLinesQueued / 2) {
    tell_of_lost_lines(queue->overrun_counter());
  }
  spdlog::default_logger_raw()->log(to_spdlog(level), "{}", message);
}

}  // namespace bd::log
