// The interface of a node: each kind describes itself in one file of nn/nodes/,
// and graphs, fusion and plans ask it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "nn/mode.hpp"
#include "unitgain/graph.hpp"

namespace unitgain::nn {

template <class T>
class PlanBuilder;
template <class T>
struct Group;

// A node's parameters and attributes by their names in descriptions: pointers into the node.
template <class T>
struct Content {
  struct Held {
    const char* name;
    ParameterPtr<T>* parameter;  // the node may have none
    bool trained;                // whether training changes it by its gradient
  };
  using Value = std::variant<Index*, std::uint64_t*, double*, std::string*, std::vector<double>*>;
  struct Number {
    const char* name;
    Value value;
    bool optional = false;  // whether a description may leave it out
  };
  std::vector<Held> parameters = {};
  std::vector<Number> attributes = {};
};

// An operation that the node in front can fuse: a normalisation by statistics that stay as they
// are; an activation; a dropout, whose key is that of its random numbers.
template <class T>
struct FixedNorm {
  ParameterPtr<T> gamma, beta, mean, variance;
  double epsilon;
};
struct Dropout {
  NoiseSpec noise;
  std::uint64_t key;
};
template <class T>
using Epilogue = std::variant<FixedNorm<T>, ActivationSpec, Dropout>;

// Nodes that plans treat in ways of their own.
enum class Role { computed, input, reshape, softmax, concatenation, lookup };

// How many nodes a node reads; several: one at least.
enum class Arity { none, one, several };

template <class T>
class Operation {
 public:
  virtual ~Operation() = default;

  virtual const char* kind() const = 0;
  virtual std::shared_ptr<Operation> copy() const = 0;
  virtual Content<T> content() { return {}; }
  virtual Arity arity() const { return Arity::one; }
  // Takes the samples that come in, as many as the arity says, and returns the shape of those that
  // go out. Called once, before all else; ValueError where they do not fit what the node holds.
  virtual SampleShape bind(std::span<const SampleShape> inputs) = 0;

  // For inference alone: copies of the parameters.
  virtual void freeze(Precision, DenseWeights) {
    for (const auto& held : content().parameters) copy_parameter(*held.parameter);
  }
  virtual bool is_frozen() const { return false; }

  virtual Role role() const { return Role::computed; }
  // Whether the output is the input.
  virtual bool is_identity(Mode, Training) const { return false; }
  virtual std::optional<Epilogue<T>> as_epilogue(Mode, Training) const { return std::nullopt; }
  virtual bool takes(const Epilogue<T>&) const { return false; }
  // Whether it reads and writes matrices whose rows lie apart.
  virtual bool takes_rows_apart() const { return false; }

  // Its parameters, in the order of content(), those that it does not have left out.
  std::vector<ParameterPtr<T>> parameters() const {
    return parameters_if([](const auto&) { return true; });
  }
  virtual std::vector<ParameterPtr<T>> trained() const {
    return parameters_if([](const auto& held) { return held.trained; });
  }

  // Add the passes of the group that it is the head of to a plan; backward if the group's value
  // wants a gradient, which is that of the node's own result: activation and dropout were undone.
  virtual void forward(PlanBuilder<T>&, const Group<T>&) const {}
  virtual void backward(PlanBuilder<T>&, const Group<T>&) const {}

 protected:
  static void copy_parameter(ParameterPtr<T>& parameter);

 private:
  template <class Choose>
  std::vector<ParameterPtr<T>> parameters_if(Choose&& choose) const {
    const auto self = copy();
    std::vector<ParameterPtr<T>> found;
    for (const auto& held : self->content().parameters) {
      if (*held.parameter != nullptr && choose(held)) found.push_back(*held.parameter);
    }
    return found;
  }
};

// A kind: Derived has a static kind_name, and is copied as it is.
template <class Derived, class T>
class Kind : public Operation<T> {
 public:
  const char* kind() const override { return Derived::kind_name; }
  std::shared_ptr<Operation<T>> copy() const override {
    return std::make_shared<Derived>(static_cast<const Derived&>(*this));
  }
};

// Throws ValueError unless there are as many values as features, or (if `optional`) none.
template <class T>
void check_vector(const ParameterPtr<T>& parameter, const char* name, Index features,
                  bool optional);

// ---- the table of kinds that descriptions may have: a row for each file's UNITGAIN_NODE_KIND ----

#define UNITGAIN_NODE_KINDS(ROW) \
  ROW(activation)                \
  ROW(activity)                  \
  ROW(add)                       \
  ROW(batch_norm)                \
  ROW(cluster_distance)          \
  ROW(concatenate)               \
  ROW(dense)                     \
  ROW(differs)                   \
  ROW(dot)                       \
  ROW(embedding)                 \
  ROW(glu)                       \
  ROW(input)                     \
  ROW(keep_where)                \
  ROW(layer_norm)                \
  ROW(log_softmax)               \
  ROW(maximum)                   \
  ROW(minimum)                   \
  ROW(multiply)                  \
  ROW(noise)                     \
  ROW(prelu)                     \
  ROW(reshape)                   \
  ROW(rms_norm)                  \
  ROW(softmax)                   \
  ROW(transpose)                 \
  ROW(unit_norm)

#define UNITGAIN_ROW(kind) \
  template <class T>       \
  std::shared_ptr<Operation<T>> make_##kind();
UNITGAIN_NODE_KINDS(UNITGAIN_ROW)
#undef UNITGAIN_ROW

// Behind a kind's class, which has it as its kind_name.
#define UNITGAIN_NODE_KIND(kind, Class)                            \
  template <class T>                                               \
  std::shared_ptr<Operation<T>> make_##kind() {                    \
    static_assert(std::string_view(#kind) == Class<T>::kind_name); \
    return std::make_shared<Class<T>>();                           \
  }                                                                \
  template std::shared_ptr<Operation<float>> make_##kind();        \
  template std::shared_ptr<Operation<double>> make_##kind()

// The names of the table, whether it has one, and an empty node of it; ValueError if it has not.
std::span<const std::string_view> kinds();
bool has_kind(std::string_view kind);
template <class T>
std::shared_ptr<Operation<T>> make_operation(std::string_view kind);

}  // namespace unitgain::nn
