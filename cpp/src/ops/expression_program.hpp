// Programs of expressions: what a traced function of arrays, or its derivative, comes to. A program
// is a text, which unitgain/expressions/ writes; sizes in it depend on the batch's.
#pragma once

#include <string>
#include <vector>

#include "unitgain/types.hpp"

namespace unitgain::ops {

// factor * batch^power.
struct BatchSize {
  Index factor = 0;
  int power = 0;
  Index of(Index batch) const;
};

// How an operand lies in a group's rows x cols: an element for each of both, for each row, for each
// column, or one.
enum class Level : char { full = 'f', row = 'r', column = 'c', single = 's' };

// A register of the group, which holds a block of its rows; else one of the program's buffers.
struct Place {
  bool is_register = false;
  Index id = 0;
  Level level = Level::full;
};

struct Instruction {
  std::string function;
  Place to;
  std::vector<Place> from;
};

// Functions of single elements and reductions of rows, done for a block of rows after the other.
struct GroupStep {
  BatchSize rows, cols;
  Index full_registers = 0, row_registers = 0;
  std::vector<Instruction> instructions;
};

// to[offset + i . to_strides] = from[offset + i . from_strides] for all i < sizes.
struct CopyStep {
  Index from = 0, to = 0;
  std::vector<BatchSize> sizes, from_strides, to_strides;
  BatchSize from_offset, to_offset;
};

struct FillStep {
  Index to = 0;
  double value = 0;
};

// c = a b for `count` matrices, a step apart; turned: an operand lies in memory as its transpose.
struct ProductStep {
  Index a = 0, b = 0, c = 0;
  BatchSize count, m, n, k, a_step, b_step;
  bool a_turned = false, b_turned = false;
};

// to[o, i, j] = from[o, index[o, i, j], j] with o < outer, i < count, j < inner and indices below
// length, those below 0 counting from the end. What has no place is NaN. Adding: from[o, i, j] is
// added to to[o, index[o, i, j], j].
struct GatherStep {
  bool adds = false;
  Index from = 0, index = 0, to = 0;
  BatchSize outer, length, count, inner, index_strides[3];
};

// Sums along the axis as far as each element, from the first or from the last on.
struct CumulativeStep {
  Index from = 0, to = 0;
  BatchSize outer, length, inner;
  bool backward = false;
};

struct ProgramStep {
  enum class Kind { group, copy, fill, product, gather, cumulative } kind;
  GroupStep group = {};
  CopyStep copy = {};
  FillStep fill = {};
  ProductStep product = {};
  GatherStep gather = {};
  CumulativeStep cumulative = {};
};

// A number that is known with the batch: scale times a size, or scale over it.
struct Count {
  double scale = 1;
  BatchSize size;
  bool reciprocal = false;
};

// Buffers are numbered through: inputs, outputs, scratch, constants, counts.
struct ExpressionProgram {
  std::vector<BatchSize> inputs, outputs, scratch;
  std::vector<std::vector<double>> constants;
  std::vector<Count> counts;
  std::vector<ProgramStep> steps;

  Index buffer_count() const;

  // Throws ValueError if the text is no program.
  static ExpressionProgram parse(const std::string& text);
};

}  // namespace unitgain::ops
