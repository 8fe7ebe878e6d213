#pragma once
// RapidCheck's glue must follow GoogleTest's header, which sorted includes would turn round.

#include <gtest/gtest.h>
// Keeps the order.
#include <rapidcheck/gtest.h>
