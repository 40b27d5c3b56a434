// Programs of expressions, as networks take them.
#pragma once

#include <memory>

#include "common.hpp"
#include "ops/expression_program.hpp"
#include "unitgain/metric.hpp"

namespace unitgain::bindings {

using ExpressionPtr = std::shared_ptr<const ops::ExpressionProgram>;

// The program of an _native.Expression.
ExpressionPtr expression_program(const py::handle& expression);
bool is_expression(const py::handle& object);

// A metric that such a program is.
std::shared_ptr<CustomMetric> traced_metric(const py::handle& expression);

}  // namespace unitgain::bindings
