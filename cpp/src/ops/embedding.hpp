// Rows of a table, by numbers that are values of the table's type.
#pragma once

#include <cstdint>

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// y row i = the table's row numbers[i], and rows[i] that number: numbers are the values of a matrix
// in row-major order. What is no whole number from 0 to table_rows - 1 gets a row of zeros and the
// number -1; returns the first such of this thread's part, and -1 if there is none.
template <class T>
Index embed(const runtime::Team& team, const MatrixView<const T>& numbers, const T* table,
            Index table_rows, std::int32_t* rows, const MatrixView<T>& y);

// gradient row rows[i] += upstream row i, in the order of i whatever the team; -1 adds nothing.
// Unless `accumulate`, all of the gradient is set to 0 before. The team meets inside.
template <class T>
void embed_gradient(const runtime::Team& team, const std::int32_t* rows,
                    const MatrixView<const T>& upstream, T* gradient, Index table_rows,
                    bool accumulate);

}  // namespace unitgain::ops
