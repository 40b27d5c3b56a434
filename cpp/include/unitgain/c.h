/* The C interface: models that Python's model.save() wrote, loaded and run by any program that can
   call C. It is all that libunitgain's shared object has. */
#ifndef UNITGAIN_C_H
#define UNITGAIN_C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define UNITGAIN_API __declspec(dllexport)
#else
#define UNITGAIN_API __attribute__((visibility("default")))
#endif

/* Raised when a function or a type changes; what is added leaves it. A program compares the number
   that it was compiled with with that of the library that it finds. */
#define UNITGAIN_ABI_VERSION 1
UNITGAIN_API int unitgain_abi_version(void);

/* "0.1.0" */
UNITGAIN_API const char* unitgain_version(void);

typedef enum {
  UNITGAIN_OK = 0,
  UNITGAIN_INVALID = 1, /* an argument, or a file's contents */
  UNITGAIN_NO_FILE = 2, /* a file cannot be read */
  UNITGAIN_NO_MEMORY = 3,
  UNITGAIN_FAILED = 4 /* anything else */
} unitgain_status;

/* What went wrong in the calling thread's last call that failed: a text that holds until its next
   one; "" if none has failed. */
UNITGAIN_API const char* unitgain_error(void);

/* A model. Any number of threads may call one at once. */
typedef struct unitgain_model unitgain_model;

/* Loads a file, or a file's contents, which are copied. The file's pages are read when they are
   first used: it may be replaced or deleted, but not written into. */
UNITGAIN_API unitgain_status unitgain_load(const char* path, unitgain_model** model);
UNITGAIN_API unitgain_status unitgain_load_bytes(const void* content, size_t bytes,
                                                 unitgain_model** model);
/* The same with the weights of dense layers packed, which runs faster: in a precision that is
   "highest", "high", "medium" or "int8", as Python's optimize_for_inference() takes it; NULL is
   "highest". */
UNITGAIN_API unitgain_status unitgain_load_packed(const char* path, const char* precision,
                                                  unitgain_model** model);
UNITGAIN_API unitgain_status unitgain_load_packed_bytes(const void* content, size_t bytes,
                                                        const char* precision,
                                                        unitgain_model** model);
UNITGAIN_API void unitgain_free(unitgain_model* model); /* NULL is nothing */

/* 4 for a model of float, 8 for one of double: the type of its outputs. */
UNITGAIN_API int unitgain_bytes_per_value(const unitgain_model* model);

/* An input or an output: its name in Python; the shape of one sample, of `rank` sizes; and the
   number of the sample's values. A NULL model, and numbers that are too large, give NULL or 0. */
UNITGAIN_API size_t unitgain_input_count(const unitgain_model* model);
UNITGAIN_API const char* unitgain_input_name(const unitgain_model* model, size_t input);
UNITGAIN_API const int64_t* unitgain_input_shape(const unitgain_model* model, size_t input,
                                                 size_t* rank);
UNITGAIN_API int64_t unitgain_input_size(const unitgain_model* model, size_t input);
UNITGAIN_API size_t unitgain_output_count(const unitgain_model* model);
UNITGAIN_API const char* unitgain_output_name(const unitgain_model* model, size_t output);
UNITGAIN_API const int64_t* unitgain_output_shape(const unitgain_model* model, size_t output,
                                                  size_t* rank);
UNITGAIN_API int64_t unitgain_output_size(const unitgain_model* model, size_t output);

/* Writes the outputs for `rows` samples. x has an array for each input and y one for each output,
   of `rows` rows of so many values as a sample has, one row behind the other. The model must be one
   of that type. Once it was called with as many rows, it allocates no memory. */
UNITGAIN_API unitgain_status unitgain_predict_float(const unitgain_model* model,
                                                    const float* const* x, int64_t rows,
                                                    float* const* y);
UNITGAIN_API unitgain_status unitgain_predict_double(const unitgain_model* model,
                                                     const double* const* x, int64_t rows,
                                                     double* const* y);

/* How many threads a prediction takes at most, for the whole process; by default OMP_NUM_THREADS,
   or the CPUs that there are. */
UNITGAIN_API unitgain_status unitgain_set_num_threads(int threads);

#ifdef __cplusplus
}
#endif

#endif
