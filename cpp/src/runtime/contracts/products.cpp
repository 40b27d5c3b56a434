#include "runtime/contracts/checked.hpp"
#include "simd/kernels/gemm.hpp"
#include "simd/kernels/int8_gemm.hpp"
#include "simd/kernels/split_gemm.hpp"

namespace unitgain::runtime {

namespace {

constexpr Index panels(Index n, Index width) {
  return (n + width - 1) / width;
}

}  // namespace

template <class T>
const simd::GemmKernels<T>* with_contracts(const simd::GemmKernels<T>& kernels) {
  using Gemm = simd::GemmKernels<T>;
  return checked_copy(kernels, [](Gemm& table) {
    check<&Gemm::pack_a>(table, [](const Gemm& gemm, const T* a, Index row_stride, Index col_stride,
                                   Index m, Index k, T* packed) {
      UNITGAIN_ASSERT(is_apart(vector(packed, panels(m, gemm.mr) * gemm.mr * k),
                               {matrix(a, m, k, row_stride, col_stride)}),
                      "gemm.pack_a: the panels overlap A, or one of them is null");
    });
    check<&Gemm::pack_b>(table, [](const Gemm& gemm, const T* b, Index row_stride, Index col_stride,
                                   Index k, Index n, T* packed) {
      UNITGAIN_ASSERT(is_apart(vector(packed, panels(n, gemm.nr) * gemm.nr * k),
                               {matrix(b, k, n, row_stride, col_stride)}),
                      "gemm.pack_b: the panels overlap B, or one of them is null");
    });
    check<&Gemm::tile>(
        table, [](const Gemm& gemm, Index k, const T* a, Index a_row_stride, Index a_depth_stride,
                  const simd::RightPanel<T>& b, T, T, T* c, Index c_row_stride, Index m, Index n) {
          UNITGAIN_ASSERT(m <= gemm.mr && n <= gemm.nr, "gemm.tile: larger than the micro-tile");
          const Area a_panel = a_depth_stride == simd::packed_panel
                                   ? vector(a, gemm.mr * k)
                                   : matrix(a, m, k, a_row_stride, a_depth_stride);
          const bool b_is_packed = b.depth_stride == simd::packed_panel;
          const Area b_panel =
              b_is_packed ? vector(b.data, gemm.nr * k) : matrix(b.data, k, n, b.depth_stride);
          UNITGAIN_ASSERT(is_apart(matrix(c, m, n, c_row_stride), {a_panel, b_panel}),
                          "gemm.tile: C overlaps a panel, or one of them is null");
          UNITGAIN_ASSERT(!b_is_packed || b.packed == nullptr,
                          "gemm.tile: a packed panel is to be packed");
          UNITGAIN_ASSERT(is_apart(optional(b.packed, vector(b.packed, gemm.nr * k)),
                                   {a_panel, b_panel, matrix(c, m, n, c_row_stride)}),
                          "gemm.tile: the panel to be packed overlaps an operand");
        });
    check<&Gemm::store>(table, [](const Gemm&, const T* product, Index product_stride, T, T, T* c,
                                  Index c_row_stride, Index m, Index n) {
      UNITGAIN_ASSERT(
          is_apart(matrix(c, m, n, c_row_stride), {matrix(product, m, n, product_stride)}),
          "gemm.store: C overlaps the product, or one of them is null");
    });
    check<&Gemm::epilogue>(table, [](const Gemm& gemm, T* c, Index row_stride, Index m, Index n,
                                     const simd::TileEpilogue<T>& epilogue) {
      UNITGAIN_ASSERT(m <= gemm.mr && n <= gemm.nr, "gemm.epilogue: larger than the micro-tile");
      const Area tile = matrix(c, m, n, row_stride);
      const Area sums = optional(epilogue.column_sums, vector(epilogue.column_sums, n));
      const Area output =
          optional(epilogue.output, matrix(epilogue.output, m, n, epilogue.output_stride));
      const Area saved =
          optional(epilogue.saved, matrix(epilogue.saved, m, n, epilogue.saved_stride));
      const Area scale = optional(epilogue.scale, vector(epilogue.scale, n));
      const Area bias = optional(epilogue.bias, vector(epilogue.bias, n));
      UNITGAIN_ASSERT(is_apart(tile, {scale, bias, sums}),
                      "gemm.epilogue: C is null or overlaps a column's scale, bias or sum");
      UNITGAIN_ASSERT(is_in_place_or_apart(output, {tile, saved}),
                      "gemm.epilogue: the output overlaps C or what is saved");
      UNITGAIN_ASSERT(is_apart(sums, {output, saved, scale, bias}),
                      "gemm.epilogue: the columns' sums overlap an input");
    });
  });
}

template <class T>
const simd::ThinGemmKernels<T>* with_contracts(const simd::ThinGemmKernels<T>& kernels) {
  using Thin = simd::ThinGemmKernels<T>;
  return checked_copy(kernels, [](Thin& table) {
    check<&Thin::shallow>(table, [](const Thin& thin, Index k, const T* a, Index a_row_stride,
                                    Index a_col_stride, const T* b, Index b_row_stride, T, T, T* c,
                                    Index c_row_stride, Index m, Index n) {
      UNITGAIN_ASSERT(k <= thin.most_depth, "thin_gemm.shallow: deeper than most_depth");
      UNITGAIN_ASSERT(
          is_apart(matrix(c, m, n, c_row_stride),
                   {matrix(a, m, k, a_row_stride, a_col_stride), matrix(b, k, n, b_row_stride)}),
          "thin_gemm.shallow: C overlaps an operand, or one of them is null");
    });
    check<&Thin::dots>(
        table, [](const Thin&, Index k, const T* a, Index a_stride, Index m, const T* b,
                  Index b_stride, Index n, T, T, T* c, Index c_row_stride, Index c_col_stride) {
          UNITGAIN_ASSERT(is_apart(matrix(c, m, n, c_row_stride, c_col_stride),
                                   {matrix(a, m, k, a_stride), matrix(b, n, k, b_stride)}),
                          "thin_gemm.dots: C overlaps an operand, or one of them is null");
        });
    check<&Thin::pack_columns>(
        table, [](const Thin&, const T* b, Index row_stride, Index col_stride, Index k, Index n,
                  T* columns, Index stride) {
          UNITGAIN_ASSERT(n <= 1 || stride >= k, "thin_gemm.pack_columns: the columns overlap");
          UNITGAIN_ASSERT(
              is_apart(matrix(columns, n, k, stride), {matrix(b, k, n, row_stride, col_stride)}),
              "thin_gemm.pack_columns: the columns overlap B, or one of them is null");
        });
    check<&Thin::add_rows>(table, [](const Thin&, Index k, const T* a, Index a_row_stride,
                                     Index a_col_stride, const T* b, Index b_row_stride, bool, T* c,
                                     Index c_row_stride, Index m, Index n) {
      UNITGAIN_ASSERT(m <= simd::most_thin_rows, "thin_gemm.add_rows: too many rows");
      UNITGAIN_ASSERT(
          is_apart(matrix(c, m, n, c_row_stride),
                   {matrix(a, m, k, a_row_stride, a_col_stride), matrix(b, k, n, b_row_stride)}),
          "thin_gemm.add_rows: C overlaps an operand, or one of them is null");
    });
    check<&Thin::panel>(
        table, [](const Thin&, Index k, const T* a, Index a_row_stride, Index a_col_stride,
                  const T* panel, bool, T, T, T* c, Index c_row_stride, Index m, Index n) {
          const Index nr = bare<simd::GemmKernels<T>>->nr;
          UNITGAIN_ASSERT(m <= simd::most_thin_rows && n <= nr,
                          "thin_gemm.panel: more rows or columns than a panel takes");
          UNITGAIN_ASSERT(
              is_apart(matrix(c, m, n, c_row_stride),
                       {matrix(a, m, k, a_row_stride, a_col_stride), vector(panel, nr * k)}),
              "thin_gemm.panel: C overlaps an operand, or one of them is null");
        });
  });
}

namespace {

using Split = simd::SplitGemmKernels;

Area packed_area(const Split& split, const std::byte* packed, Index width, Index count, Index k) {
  const Index depth = panels(k, split.depth_step) * split.depth_step;
  return vector(packed, panels(count, width) * width * depth * split.terms * 2);
}

template <int precision>
const Split* check_split(const Split& kernels) {
  return checked_copy<precision>(kernels, [](Split& table) {
    check<&Split::pack_a, precision>(
        table, [](const Split& split, const float* a, Index row_stride, Index col_stride, Index m,
                  Index k, std::byte* packed, simd::ExponentRange* ranges) {
          const Area to = packed_area(split, packed, split.mr, m, k);
          UNITGAIN_ASSERT(is_apart(to, {matrix(a, m, k, row_stride, col_stride),
                                        optional(ranges, vector(ranges, panels(m, split.mr)))}),
                          "split.pack_a: the panels overlap A or the ranges, or are null");
        });
    check<&Split::pack_b, precision>(
        table, [](const Split& split, const float* b, Index row_stride, Index col_stride, Index k,
                  Index n, std::byte* packed, simd::ExponentRange* ranges) {
          const Area to = packed_area(split, packed, split.nr, n, k);
          UNITGAIN_ASSERT(is_apart(to, {matrix(b, k, n, row_stride, col_stride),
                                        optional(ranges, vector(ranges, panels(n, split.nr)))}),
                          "split.pack_b: the panels overlap B or the ranges, or are null");
        });
    check<&Split::unpack_b, precision>(
        table, [](const Split& split, const std::byte* packed, Index k, Index n, float* b,
                  Index row_stride, Index col_stride) {
          UNITGAIN_ASSERT(n <= split.nr, "split.unpack_b: more columns than a panel has");
          UNITGAIN_ASSERT(is_apart(matrix(b, k, n, row_stride, col_stride),
                                   {packed_area(split, packed, split.nr, n, k)}),
                          "split.unpack_b: B overlaps the panel, or one of them is null");
        });
    const auto of_most_rows = [](const Split& split, Index most, Index k, const std::byte* a,
                                 const std::byte* b, Index m, Index n, float* product) {
      UNITGAIN_ASSERT(m <= most && n <= split.nr, "split.tile: larger than the tile");
      UNITGAIN_ASSERT(
          is_apart(matrix(product, m, n, split.nr), {packed_area(split, b, split.nr, n, k)}) &&
              a != nullptr,
          "split.tile: the product overlaps a panel, or one of them is null");
    };
    using OfMostRows = decltype(of_most_rows);
    check<&Split::tile, precision>(table, [](const Split& split, Index k, const std::byte* a,
                                             const std::byte* b, Index m, Index n, float* product) {
      OfMostRows()(split, split.mr, k, a, b, m, n, product);
    });
    check<&Split::thin_tile, precision>(
        table, [](const Split& split, Index k, const std::byte* a, const std::byte* b, Index m,
                  Index n, float* product) {
          OfMostRows()(split, simd::most_thin_split_rows, k, a, b, m, n, product);
        });
    check<&Split::pack_thin_a, precision>(table, [](const Split&, const float* a, Index row_stride,
                                                    Index col_stride, Index m, Index k,
                                                    std::byte* packed, simd::ExponentRange*) {
      UNITGAIN_ASSERT(m <= simd::most_thin_split_rows, "split.pack_thin_a: too many rows");
      UNITGAIN_ASSERT(are_there({matrix(a, m, k, row_stride, col_stride), vector(packed, m * k)}),
                      "split.pack_thin_a: A or the panel is null");
    });
  });
}

}  // namespace

const Split* with_contracts(const Split& kernels, Precision precision) {
  switch (precision) {
    case Precision::highest:
      return check_split<0>(kernels);
    case Precision::high:
      return check_split<1>(kernels);
    case Precision::medium:
      return check_split<2>(kernels);
  }
  return nullptr;
}

namespace {

using Int8 = simd::Int8GemmKernels;

template <int which>
const Int8* check_int8(const Int8& kernels) {
  return checked_copy<which>(kernels, [](Int8& table) {
    if constexpr (which == 0) {
      if (table.by_vnni != nullptr) table.by_vnni = check_int8<1>(*table.by_vnni);
    }
    check<&Int8::quantize, which>(
        table, [](const Int8& int8, const float* x, Index row_stride, Index m, Index depth,
                  std::byte* words, Index row_bytes, simd::QuantizedRow* rows) {
          UNITGAIN_ASSERT(is_apart(matrix(words, m, panels(depth, int8.group) * 4, row_bytes),
                                   {matrix(x, m, depth, row_stride), vector(rows, m)}),
                          "int8.quantize: the words overlap the rows, or are null");
        });
    check<&Int8::tile, which>(
        table, [](const Int8& int8, Index words, const std::byte* rows, Index row_bytes,
                  const std::byte* panel, Index m, Index n, std::int32_t* sums) {
          UNITGAIN_ASSERT(m >= 1 && m <= int8.mr && n <= int8.nr, "int8.tile: not within a tile");
          UNITGAIN_ASSERT(words * int8.group < simd::most_int8_depth + int8.group,
                          "int8.tile: the sums may overflow");
          UNITGAIN_ASSERT(
              is_apart(matrix(sums, m, n, int8.nr), {matrix(rows, m, words * 4, row_bytes),
                                                     vector(panel, words * int8.group * int8.nr)}),
              "int8.tile: the sums overlap an operand, or one of them is null");
        });
    check<&Int8::dequantize, which>(
        table,
        [](const Int8& int8, const std::int32_t* sums, const simd::QuantizedRow* rows,
           const simd::Int8Columns& columns, float* c, Index c_row_stride, Index m, Index n) {
          UNITGAIN_ASSERT(m <= int8.mr && n <= int8.nr, "int8.dequantize: larger than the tile");
          UNITGAIN_ASSERT(
              is_apart(matrix(c, m, n, c_row_stride),
                       {matrix(sums, m, n, int8.nr), vector(rows, m), vector(columns.scales, n),
                        vector(columns.sums, n), optional(columns.bias, vector(columns.bias, n))}),
              "int8.dequantize: C overlaps an operand, or one of them is null");
        });
  });
}

}  // namespace

const Int8* with_contracts(const Int8& kernels) {
  return check_int8<0>(kernels);
}

#define UNITGAIN_INSTANTIATE(T)                                                        \
  template const simd::GemmKernels<T>* with_contracts<T>(const simd::GemmKernels<T>&); \
  template const simd::ThinGemmKernels<T>* with_contracts<T>(const simd::ThinGemmKernels<T>&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::runtime
