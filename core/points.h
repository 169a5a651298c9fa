/* Values and exact derivatives at scattered points, some hundred points at a time, of both kinds. */
#ifndef CORE_POINTS_H
#define CORE_POINTS_H

#include "network.h"
#include "splines.h"

/* Multiplications that it takes, about. */
u64 points_work(const Network *outline, const Splines *splines, u32 count, int derivatives);

/* Get ready for points, each with a coordinate for every axis of the description; `splines` is 0 for sines. An answer of
 * core.h. */
i32 points_begin(const Description *description, const Splines *splines, const u32 *words, u32 word_count, Outputs outputs,
                 const double *coordinates, u32 count, int derivatives);

/* Make the next points: how many, 0 after the last one. */
u32 points_next(void);

/* Float32: values of a point one after the other; or of each value the derivatives along all axes. */
const float *points_values(void);

#endif
