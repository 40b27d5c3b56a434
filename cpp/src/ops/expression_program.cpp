#include "ops/expression_program.hpp"

#include <cstdlib>
#include <sstream>

#include "unitgain/error.hpp"

namespace unitgain::ops {

namespace {

// Reads the text word by word.
class Reader {
 public:
  explicit Reader(const std::string& text) : stream_(text) {}

  std::string word() {
    std::string word;
    if (!(stream_ >> word)) throw ValueError("the program of an expression ends too early");
    return word;
  }
  Index integer() {
    const std::string text = word();
    char* end = nullptr;
    const long long value = std::strtoll(text.c_str(), &end, 10);
    if (*end != 0) wrong(text);
    return value;
  }
  // Hexadecimal digits keep every bit.
  double number() {
    const std::string text = word();
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (*end != 0) wrong(text);
    return value;
  }
  bool flag() { return integer() != 0; }
  BatchSize size() {
    const Index factor = integer();
    const Index power = integer();
    if (power < 0 || power > 4) wrong(std::to_string(power));
    return {factor, static_cast<int>(power)};
  }
  Index count() {
    const Index n = integer();
    if (n < 0 || n > (Index{1} << 24)) wrong(std::to_string(n));
    return n;
  }
  void expect(const char* name) {
    const std::string found = word();
    if (found != name) wrong(found);
  }
  // "b12f": a buffer, its number and its level; or "t", a register.
  Place place() {
    const std::string text = word();
    if (text.size() < 3) wrong(text);
    Place place;
    place.is_register = text.front() == 't';
    char* end = nullptr;
    place.id = std::strtoll(text.c_str() + 1, &end, 10);
    if (place.id < 0 || end[0] == 0 || end[1] != 0) wrong(text);
    place.level = static_cast<Level>(*end);
    return place;
  }
  [[noreturn]] static void wrong(const std::string& text) {
    throw ValueError("the program of an expression has '" + text + "' in a wrong place");
  }

 private:
  std::istringstream stream_;
};

std::vector<BatchSize> sizes(Reader& reader, const char* name) {
  reader.expect(name);
  std::vector<BatchSize> found(static_cast<std::size_t>(reader.count()));
  for (BatchSize& size : found) size = reader.size();
  return found;
}

GroupStep group_step(Reader& reader) {
  GroupStep step;
  step.rows = reader.size();
  step.cols = reader.size();
  step.full_registers = reader.count();
  step.row_registers = reader.count();
  step.instructions.resize(static_cast<std::size_t>(reader.count()));
  for (Instruction& instruction : step.instructions) {
    instruction.function = reader.word();
    const Index operands = reader.count();
    instruction.to = reader.place();
    for (Index i = 0; i < operands; ++i) instruction.from.push_back(reader.place());
  }
  return step;
}

CopyStep copy_step(Reader& reader) {
  CopyStep step;
  step.from = reader.integer();
  step.to = reader.integer();
  step.from_offset = reader.size();
  step.to_offset = reader.size();
  const Index dimensions = reader.count();
  for (Index i = 0; i < dimensions; ++i) {
    step.sizes.push_back(reader.size());
    step.from_strides.push_back(reader.size());
    step.to_strides.push_back(reader.size());
  }
  return step;
}

ProductStep product_step(Reader& reader) {
  ProductStep step;
  for (Index* buffer : {&step.a, &step.b, &step.c}) *buffer = reader.integer();
  for (BatchSize* size : {&step.count, &step.m, &step.n, &step.k, &step.a_step, &step.b_step}) {
    *size = reader.size();
  }
  step.a_turned = reader.flag();
  step.b_turned = reader.flag();
  return step;
}

GatherStep gather_step(Reader& reader) {
  GatherStep step;
  step.adds = reader.flag();
  for (Index* buffer : {&step.from, &step.index, &step.to}) *buffer = reader.integer();
  for (BatchSize* size : {&step.outer, &step.length, &step.count, &step.inner}) {
    *size = reader.size();
  }
  for (BatchSize& stride : step.index_strides) stride = reader.size();
  return step;
}

CumulativeStep cumulative_step(Reader& reader) {
  CumulativeStep step;
  step.from = reader.integer();
  step.to = reader.integer();
  for (BatchSize* size : {&step.outer, &step.length, &step.inner}) *size = reader.size();
  step.backward = reader.flag();
  return step;
}

ProgramStep program_step(Reader& reader) {
  using Kind = ProgramStep::Kind;
  const std::string name = reader.word();
  ProgramStep step{};
  if (name == "group") {
    step.kind = Kind::group;
    step.group = group_step(reader);
  } else if (name == "copy") {
    step.kind = Kind::copy;
    step.copy = copy_step(reader);
  } else if (name == "fill") {
    step.kind = Kind::fill;
    step.fill.to = reader.integer();
    step.fill.value = reader.number();
  } else if (name == "product") {
    step.kind = Kind::product;
    step.product = product_step(reader);
  } else if (name == "gather") {
    step.kind = Kind::gather;
    step.gather = gather_step(reader);
  } else if (name == "cumulative") {
    step.kind = Kind::cumulative;
    step.cumulative = cumulative_step(reader);
  } else {
    Reader::wrong(name);
  }
  return step;
}

// Every buffer that a step names is one.
void check_buffers(const ExpressionProgram& program) {
  const Index count = program.buffer_count();
  const auto check = [&](Index id) {
    if (id < 0 || id >= count) Reader::wrong(std::to_string(id));
  };
  for (const ProgramStep& step : program.steps) {
    for (const Instruction& instruction : step.group.instructions) {
      if (!instruction.to.is_register) check(instruction.to.id);
      for (const Place& place : instruction.from) {
        if (!place.is_register) check(place.id);
      }
    }
    for (const Index id : {step.copy.from, step.copy.to, step.fill.to, step.product.a,
                           step.product.b, step.product.c, step.gather.from, step.gather.index,
                           step.gather.to, step.cumulative.from, step.cumulative.to}) {
      check(id);
    }
  }
}

}  // namespace

Index BatchSize::of(Index batch) const {
  Index size = factor;
  for (int i = 0; i < power; ++i) size *= batch;
  return size;
}

Index ExpressionProgram::buffer_count() const {
  return static_cast<Index>(inputs.size() + outputs.size() + scratch.size() + constants.size() +
                            counts.size());
}

ExpressionProgram ExpressionProgram::parse(const std::string& text) {
  Reader reader(text);
  ExpressionProgram program;
  program.inputs = sizes(reader, "inputs");
  program.outputs = sizes(reader, "outputs");
  program.scratch = sizes(reader, "scratch");
  reader.expect("constants");
  program.constants.resize(static_cast<std::size_t>(reader.count()));
  for (std::vector<double>& values : program.constants) {
    values.resize(static_cast<std::size_t>(reader.count()));
    for (double& value : values) value = reader.number();
  }
  reader.expect("counts");
  program.counts.resize(static_cast<std::size_t>(reader.count()));
  for (Count& count : program.counts) {
    count.scale = reader.number();
    count.size = reader.size();
    count.reciprocal = reader.flag();
  }
  reader.expect("steps");
  const Index steps = reader.count();
  for (Index i = 0; i < steps; ++i) program.steps.push_back(program_step(reader));
  check_buffers(program);
  return program;
}

}  // namespace unitgain::ops
