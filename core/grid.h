/* Values on the product of any coordinates along each axis, some rows of the first axis at a time, of both kinds. */
#ifndef CORE_GRID_H
#define CORE_GRID_H

#include "network.h"
#include "splines.h"

/* Multiplications that it takes, about. */
u64 grid_work(const Network *outline, const Splines *splines, const u32 *counts);

/* Get ready for rows from the first one on. Coordinates lie one axis after the other, `counts` of each axis of the
 * description; `splines` is 0 for sines. An answer of core.h. */
i32 grid_begin(const Description *description, const Splines *splines, const u32 *words, u32 count, Outputs outputs,
               const double *coordinates, const u32 *counts);

/* Make the next rows: how many, 0 after the last one; and where their values are. */
u32 grid_next(void);
const float *grid_values(void);

#endif
