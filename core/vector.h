/* Four numbers at a time. Without fused or reordered sums: the same bits on every machine. */
#ifndef CORE_VECTOR_H
#define CORE_VECTOR_H

#include "core.h"

enum { LANES = 4, SLACK = 16 }; /* SLACK: floats that may be read or written beyond the end of a row */

typedef float f32x4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef i32 i32x4 __attribute__((vector_size(16), aligned(4), may_alias));

static inline f32x4 load4(const float *from) { return *(const f32x4 *)from; }
static inline void store4(float *to, f32x4 values) { *(f32x4 *)to = values; }
static inline f32x4 all4(float value) { return (f32x4){value, value, value, value}; }

/* One instruction each; of a limit and what is not a number, the limit. */
#ifdef __wasm__
static inline f32x4 at_least(f32x4 values, float limit) { return (f32x4)__builtin_wasm_pmax_f32x4(all4(limit), values); }
static inline f32x4 at_most(f32x4 values, float limit) { return (f32x4)__builtin_wasm_pmin_f32x4(all4(limit), values); }
#else
static inline f32x4 at_least(f32x4 values, float limit) {
    i32x4 keep = values > all4(limit);
    return (f32x4)(((i32x4)values & keep) | ((i32x4)all4(limit) & ~keep));
}
static inline f32x4 at_most(f32x4 values, float limit) {
    i32x4 keep = values < all4(limit);
    return (f32x4)(((i32x4)values & keep) | ((i32x4)all4(limit) & ~keep));
}
#endif

#endif
