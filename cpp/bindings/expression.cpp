// Expressions: the programs of traced functions (see unitgain/expressions), run on arrays.
#include <pybind11/stl.h>

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "common.hpp"
#include "expression.hpp"
#include "nn/expression.hpp"
#include "ops/expression.hpp"
#include "runtime/workspace.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::bindings {

namespace {

// What a program becomes for batches of some sizes, the last ones used.
template <class T>
class BoundCache {
 public:
  std::shared_ptr<const ops::Expression<T>> get(const ops::ExpressionProgram& program,
                                                Index batch) {
    const Precision precision = float32_matmul_precision();
    const std::lock_guard lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->batch != batch || it->precision != precision) continue;
      entries_.splice(entries_.begin(), entries_, it);
      return it->expression;
    }
    auto made = std::make_shared<const ops::Expression<T>>(program, batch, precision);
    entries_.push_front({batch, precision, made});
    if (entries_.size() > 8) entries_.pop_back();
    return made;
  }

 private:
  struct Entry {
    Index batch;
    Precision precision;
    std::shared_ptr<const ops::Expression<T>> expression;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;
};

class BoundPrograms {
 public:
  explicit BoundPrograms(ExpressionPtr program) : program_(std::move(program)) {}

  // Flat arrays of what the program makes of contiguous ones.
  py::list run(const std::vector<py::array>& inputs, Index batch, bool is_double) {
    if (inputs.size() != program_->inputs.size()) {
      throw ValueError("the expression has " + std::to_string(program_->inputs.size()) +
                       " inputs, not " + std::to_string(inputs.size()));
    }
    return is_double ? run_as<double>(inputs, batch, doubles_)
                     : run_as<float>(inputs, batch, floats_);
  }

  const ExpressionPtr& program() const { return program_; }

 private:
  template <class T>
  py::list run_as(const std::vector<py::array>& inputs, Index batch, BoundCache<T>& cache) {
    std::vector<py::array_t<T>> held;
    std::vector<const T*> from;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      held.push_back(py::array_t<T, py::array::c_style | py::array::forcecast>(inputs[i]));
      if (held.back().size() != program_->inputs[i].of(batch)) {
        throw ValueError("an input of the expression has " + std::to_string(held.back().size()) +
                         " values, expected " + std::to_string(program_->inputs[i].of(batch)));
      }
      from.push_back(held.back().data());
    }
    py::list arrays;
    std::vector<T*> to;
    for (const ops::BatchSize& size : program_->outputs) {
      py::array_t<T> made = new_array<T>({size.of(batch)});
      to.push_back(made.mutable_data());
      arrays.append(made);
    }
    const GilRelease release;
    const auto expression = cache.get(*program_, batch);
    const runtime::TeamSize size = runtime::threads_for(expression->work(), expression->barriers());
    std::byte* workspace =
        runtime::thread_workspace(expression->workspace(size.threads), "an expression's values");
    runtime::parallel(size, [&](const runtime::Team& team) {
      expression->run(team, from.data(), to.data(), workspace);
    });
    return arrays;
  }

  ExpressionPtr program_;
  BoundCache<float> floats_;
  BoundCache<double> doubles_;
};

}  // namespace

ExpressionPtr expression_program(const py::handle& expression) {
  return py::cast<std::shared_ptr<BoundPrograms>>(expression)->program();
}

bool is_expression(const py::handle& object) {
  return py::isinstance<BoundPrograms>(object);
}

std::shared_ptr<CustomMetric> traced_metric(const py::handle& expression) {
  return std::make_shared<nn::ExpressionMetric>(expression_program(expression));
}

void bind_expressions(py::module_& module) {
  py::class_<BoundPrograms, std::shared_ptr<BoundPrograms>>(
      module, "Expression", "A traced function of arrays, as a program.")
      .def(py::init([](const std::string& text) {
             return std::make_shared<BoundPrograms>(std::make_shared<const ops::ExpressionProgram>(
                 ops::ExpressionProgram::parse(text)));
           }),
           py::arg("program"))
      .def("run", &BoundPrograms::run, py::arg("inputs"), py::arg("batch"), py::arg("is_double"),
           "What it makes of contiguous arrays: flat arrays.");
}

}  // namespace unitgain::bindings
